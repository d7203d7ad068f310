#include "sched/contract.hpp"
#include "tests/policy_files/bad_files.hpp"

namespace bulkhead::test {

using plugin::Descriptor;
using plugin::Parameter;
using plugin::Reason;

namespace {

std::uint64_t name_of_policy(Spoiler& file) { return file.field(offsetof(Descriptor, name)); }

// The last byte of the constants is the zero of a text; without it that text does not end.
void text_without_end(Spoiler& file) {
    const auto last = file.segment(0).p_vaddr + file.segment(0).p_memsz - 1;
    file.at<char>(last) = 'x';
    file.pointer(name_of_policy(file)) = static_cast<Elf64_Sxword>(last);
}

// Moves the relocation before the one of the policy's name onto the version and the kind.
void relocate_version(Spoiler& file) {
    file.relocation(file.relocation_of(name_of_policy(file)) - 1).r_offset =
        file.field(offsetof(Descriptor, abi_version));
}

std::vector<Way> ways_of_identity() {
    return {
        {"descriptor_in_the_constants", Reason::descriptor_place,
         [](Spoiler& f) { f.symbol().st_value = 16; }},
        {"descriptor_far_away", Reason::descriptor_place,
         [](Spoiler& f) { f.symbol().st_value = ~std::uint64_t{7}; }},
        {"descriptor_off_its_boundary", Reason::descriptor_place,
         [](Spoiler& f) { f.symbol().st_value += 4; }},
        {"descriptor_is_the_dynamic_section", Reason::descriptor_place,
         [](Spoiler& f) { f.symbol().st_value = f.segment(3).p_vaddr; }},
        {"another_magic", Reason::wrong_magic, [](Spoiler& f) { f.descriptor().magic ^= 1; }},
        {"another_version", Reason::wrong_version, [](Spoiler& f) { f.descriptor().abi_version = 77; }},
        {"unknown_kind", Reason::unknown_kind, [](Spoiler& f) { f.descriptor().kind = plugin::Kind{99}; }},
        {"unknown_trait", Reason::unknown_traits, [](Spoiler& f) { f.descriptor().traits |= 1U << 31; }},
        {"relocated_version", Reason::relocated_number, relocate_version},
    };
}

std::vector<Way> ways_of_texts() {
    return {
        {"name_in_the_relocated_constants", Reason::text_place,
         [](Spoiler& f) { f.pointer(name_of_policy(f)) = static_cast<Elf64_Sxword>(f.segment(2).p_vaddr); }},
        {"name_at_the_end", Reason::text_place,
         [](Spoiler& f) {
             f.pointer(name_of_policy(f)) =
                 static_cast<Elf64_Sxword>(f.segment(0).p_vaddr + f.segment(0).p_memsz);
         }},
        {"name_without_end", Reason::text_place, text_without_end},
        {"empty_name", Reason::text_place,
         [](Spoiler& f) { f.at<char>(f.follow(name_of_policy(f))) = '\0'; }},
        {"empty_unit", Reason::text_place,
         [](Spoiler& f) { f.at<char>(f.follow(f.parameter(0) + offsetof(Parameter, unit))) = '\0'; }},
        {"control_character", Reason::text_encoding,
         [](Spoiler& f) { f.at<char>(f.follow(f.field(offsetof(Descriptor, summary)))) = '\x1b'; }},
        {"invalid_utf8", Reason::text_encoding,
         [](Spoiler& f) { f.at<char>(f.follow(f.parameter(0) + offsetof(Parameter, help))) = '\xff'; }},
        {"name_with_spaces", Reason::bad_name,
         [](Spoiler& f) {
             f.pointer(name_of_policy(f)) = f.pointer(f.field(offsetof(Descriptor, summary)));
         }},
        {"name_begins_with_a_digit", Reason::bad_name,
         [](Spoiler& f) { f.at<char>(f.follow(name_of_policy(f))) = '1'; }},
        {"parameter_name_with_an_equals_sign", Reason::bad_name,
         [](Spoiler& f) { f.at<char>(f.follow(f.parameter(1)) + 1) = '='; }},
    };
}

std::vector<Way> ways_of_tables() {
    return {
        {"seventeen_parameters", Reason::parameter_count,
         [](Spoiler& f) { f.descriptor().parameter_count = plugin::max_parameters + 1; }},
        {"parameters_without_end", Reason::parameter_count,
         [](Spoiler& f) { f.descriptor().parameter_count = 0xffffffff; }},
        {"domain_parameters_without_end", Reason::parameter_count,
         [](Spoiler& f) { f.descriptor().domain_parameter_count = ~std::uint64_t{0}; }},
        {"parameters_in_the_constants", Reason::table_place,
         [](Spoiler& f) { f.pointer(f.field(offsetof(Descriptor, parameters))) = 8; }},
        {"parameters_at_the_end", Reason::table_place,
         [](Spoiler& f) {
             f.pointer(f.field(offsetof(Descriptor, parameters))) =
                 static_cast<Elf64_Sxword>(f.segment(2).p_vaddr + f.segment(2).p_memsz);
         }},
        {"hooks_in_the_dynamic_section", Reason::table_place,
         [](Spoiler& f) {
             f.pointer(f.field(offsetof(Descriptor, hooks))) =
                 static_cast<Elf64_Sxword>(f.segment(3).p_vaddr);
         }},
        {"hooks_off_their_boundary", Reason::table_place,
         [](Spoiler& f) { f.pointer(f.field(offsetof(Descriptor, hooks))) += 4; }},
        {"hook_outside_the_code", Reason::hook_place,
         [](Spoiler& f) { f.pointer(f.hooks() + offsetof(sched::Hooks, pick)) = 0; }},
        {"hook_behind_the_code", Reason::hook_place,
         [](Spoiler& f) {
             f.pointer(f.hooks() + offsetof(sched::Hooks, tune)) =
                 static_cast<Elf64_Sxword>(f.segment(1).p_vaddr + f.segment(1).p_memsz);
         }},
        {"two_parameters_of_one_name", Reason::repeated_parameter,
         [](Spoiler& f) { f.pointer(f.parameter(1)) = f.pointer(f.parameter(0)); }},
        {"default_above_most", Reason::parameter_bounds,
         [](Spoiler& f) { f.at<Parameter>(f.parameter(0)).most = INT64_MIN; }},
        {"default_below_least", Reason::parameter_bounds,
         [](Spoiler& f) { f.at<Parameter>(f.parameter(1)).least = INT64_MAX; }},
        {"policy_without_bytes", Reason::object_size, [](Spoiler& f) { f.descriptor().policy_bytes = 0; }},
        {"policy_of_four_gib", Reason::object_size,
         [](Spoiler& f) { f.descriptor().policy_bytes = 0xffffffff; }},
        {"domain_without_its_base", Reason::object_size, [](Spoiler& f) { f.descriptor().domain_bytes = 1; }},
        {"large_vcpu", Reason::object_size,
         [](Spoiler& f) { f.descriptor().vcpu_bytes = plugin::largest_object + 1; }},
        {"vector_register", Reason::vector_registers,
         [](Spoiler& f) { std::memcpy(&f.at<char>(f.segment(1).p_vaddr), "\x0f\x28\xc1", 3); }}, // movaps
    };
}

} // namespace

std::vector<Way> ways_of_descriptors() {
    std::vector<Way> all;
    for (const auto& ways : {ways_of_identity(), ways_of_texts(), ways_of_tables()})
        all.insert(all.end(), ways.begin(), ways.end());
    return all;
}

} // namespace bulkhead::test
