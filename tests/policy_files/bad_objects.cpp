#include "tests/policy_files/bad_files.hpp"

namespace bulkhead::test {

using plugin::Reason;

namespace {

constexpr std::uint64_t huge = ~std::uint64_t{0};
constexpr std::uint64_t page = plugin::segment_page;

// The number of relocations is of use to nobody, so that its entry can become another.
void replace_entry(Spoiler& file, std::int64_t tag, std::uint64_t value = 1) {
    auto& entry = file.dynamic(DT_RELACOUNT);
    entry.d_tag = tag;
    entry.d_un.d_val = value;
}

std::vector<Way> ways_of_headers() {
    return {
        {"empty", Reason::not_elf, [](Spoiler& f) { f.bytes().clear(); }},
        {"cut_in_the_header", Reason::not_elf, [](Spoiler& f) { f.bytes().resize(63); }},
        {"no_elf_magic", Reason::not_elf, [](Spoiler& f) { f.header().e_ident[1] = 'e'; }},
        {"program", Reason::not_shared_object, [](Spoiler& f) { f.header().e_type = ET_EXEC; }},
        {"other_processor", Reason::not_shared_object, [](Spoiler& f) { f.header().e_machine = EM_AARCH64; }},
        {"class_of_32_bits", Reason::not_shared_object,
         [](Spoiler& f) { f.header().e_ident[EI_CLASS] = ELFCLASS32; }},
        {"big_endian", Reason::not_shared_object,
         [](Spoiler& f) { f.header().e_ident[EI_DATA] = ELFDATA2MSB; }},
        {"too_many_bytes", Reason::too_large, [](Spoiler& f) { f.bytes().resize(plugin::largest_file + 1); }},
        {"cut_in_the_program_headers", Reason::headers_outside, [](Spoiler& f) { f.bytes().resize(100); }},
        {"program_headers_far_away", Reason::headers_outside,
         [](Spoiler& f) { f.header().e_phoff = huge - 7; }},
        {"program_headers_without_end", Reason::headers_outside,
         [](Spoiler& f) { f.header().e_phnum = 0xffff; }},
        {"program_headers_of_another_size", Reason::headers_outside,
         [](Spoiler& f) { f.header().e_phentsize = 8; }},
        {"section_headers_far_away", Reason::sections_outside, [](Spoiler& f) { f.header().e_shoff = huge; }},
        {"section_names_nowhere", Reason::sections_outside,
         [](Spoiler& f) { f.header().e_shstrndx = 0xffff; }},
        {"writable_section", Reason::writable_section,
         [](Spoiler& f) { f.section(".rodata").sh_flags |= SHF_WRITE; }},
        {"thread_local_section", Reason::writable_section,
         [](Spoiler& f) { f.section(".data.rel.ro").sh_flags |= SHF_TLS; }},
    };
}

std::vector<Way> ways_of_segments() {
    return {
        {"interpreter", Reason::segment_type, [](Spoiler& f) { f.segment(4).p_type = PT_INTERP; }},
        {"thread_local_storage", Reason::segment_type, [](Spoiler& f) { f.segment(4).p_type = PT_TLS; }},
        {"executable_stack", Reason::executable_stack, [](Spoiler& f) { f.segment(4).p_flags |= PF_X; }},
        {"writable_code", Reason::writable_code, [](Spoiler& f) { f.segment(1).p_flags |= PF_W; }},
        {"address_off_the_page", Reason::segment_alignment, [](Spoiler& f) { f.segment(1).p_vaddr += 8; }},
        {"offset_off_the_page", Reason::segment_alignment, [](Spoiler& f) { f.segment(1).p_offset += 8; }},
        {"large_pages", Reason::segment_alignment, [](Spoiler& f) { f.segment(1).p_align = 2 << 20; }},
        {"segment_far_away", Reason::segment_outside,
         [](Spoiler& f) { f.segment(2).p_vaddr = huge - page + 1; }},
        {"segment_offset_far_away", Reason::segment_outside,
         [](Spoiler& f) { f.segment(2).p_offset = huge - page + 1; }},
        {"segment_without_end", Reason::segment_outside,
         [](Spoiler& f) { f.segment(2).p_filesz = f.segment(2).p_memsz = huge; }},
        {"segment_without_bytes", Reason::segment_outside,
         [](Spoiler& f) { f.segment(0).p_filesz = f.segment(0).p_memsz = 0; }},
        {"segment_beyond_its_memory", Reason::segment_outside, [](Spoiler& f) { f.segment(0).p_memsz -= 1; }},
        {"cut_in_a_segment", Reason::segment_outside,
         [](Spoiler& f) { f.bytes().resize(f.segment(2).p_offset + 16); }},
        {"zero_filled_memory", Reason::zero_filled, [](Spoiler& f) { f.segment(2).p_memsz += page; }},
        {"segments_overlap", Reason::segment_overlap,
         [](Spoiler& f) { f.segment(2).p_vaddr = f.segment(1).p_vaddr; }},
        {"constants_writable", Reason::segment_roles, [](Spoiler& f) { f.segment(0).p_flags = PF_R | PF_W; }},
        {"code_not_executable", Reason::segment_roles, [](Spoiler& f) { f.segment(1).p_flags = PF_R; }},
        {"two_segments", Reason::segment_roles, [](Spoiler& f) { f.segment(2).p_type = PT_GNU_STACK; }},
        {"no_dynamic_section", Reason::dynamic_place, [](Spoiler& f) { f.segment(3).p_type = PT_GNU_STACK; }},
        {"two_dynamic_sections", Reason::dynamic_place, [](Spoiler& f) { f.segment(4) = f.segment(3); }},
        {"dynamic_section_in_constants", Reason::dynamic_place, [](Spoiler& f) { f.segment(3).p_vaddr = 0; }},
        {"dynamic_section_without_end", Reason::dynamic_place,
         [](Spoiler& f) { f.segment(3).p_filesz = f.segment(3).p_memsz = huge - 15; }},
    };
}

std::vector<Way> ways_of_dynamic() {
    return {
        {"dynamic_section_cut", Reason::dynamic_unterminated,
         [](Spoiler& f) { f.segment(3).p_filesz = f.segment(3).p_memsz = sizeof(Elf64_Dyn); }},
        {"versions", Reason::dynamic_entry, [](Spoiler& f) { replace_entry(f, DT_VERSYM); }},
        {"negative_tag", Reason::dynamic_entry, [](Spoiler& f) { replace_entry(f, -1); }},
        {"two_string_tables", Reason::dynamic_repeated, [](Spoiler& f) { replace_entry(f, DT_STRTAB); }},
        {"symbolic_flag", Reason::dynamic_flags,
         [](Spoiler& f) { f.dynamic(DT_FLAGS).d_un.d_val |= DF_SYMBOLIC; }},
        {"nodelete_flag", Reason::dynamic_flags,
         [](Spoiler& f) { f.dynamic(DT_FLAGS_1).d_un.d_val |= DF_1_NODELETE; }},
        {"needed_library", Reason::needs_library, [](Spoiler& f) { replace_entry(f, DT_NEEDED); }},
        {"constructor", Reason::has_constructors, [](Spoiler& f) { replace_entry(f, DT_INIT, page); }},
        {"array_of_destructors", Reason::has_constructors,
         [](Spoiler& f) { replace_entry(f, DT_FINI_ARRAY); }},
        {"no_hash_table", Reason::no_symbol_table, [](Spoiler& f) { f.dynamic(DT_HASH).d_tag = DT_SONAME; }},
        {"hash_table_far_away", Reason::symbols_outside,
         [](Spoiler& f) { f.dynamic(DT_HASH).d_un.d_val = huge - 3; }},
        {"symbols_without_end", Reason::symbols_outside,
         [](Spoiler& f) { f.at<std::uint32_t>(f.value(DT_HASH) + 4) = 0xffffffff; }},
        {"no_buckets", Reason::symbols_outside,
         [](Spoiler& f) { f.at<std::uint32_t>(f.value(DT_HASH)) = 0; }},
        {"names_without_end", Reason::symbols_outside,
         [](Spoiler& f) { f.dynamic(DT_STRSZ).d_un.d_val = huge; }},
        {"name_not_terminated", Reason::symbols_outside,
         [](Spoiler& f) { --f.dynamic(DT_STRSZ).d_un.d_val; }},
        {"name_outside", Reason::symbols_outside, [](Spoiler& f) { f.symbol().st_name = 0xffffffff; }},
        {"undefined_symbol", Reason::undefined_symbol, [](Spoiler& f) { f.symbol().st_shndx = SHN_UNDEF; }},
        {"other_export", Reason::other_symbol,
         [](Spoiler& f) { f.at<char>(f.value(DT_STRTAB) + f.symbol().st_name) = '\x1b'; }},
        {"no_export", Reason::no_descriptor,
         [](Spoiler& f) { f.at<std::uint32_t>(f.value(DT_HASH) + 4) = 1; }},
        {"descriptor_is_a_function", Reason::no_descriptor,
         [](Spoiler& f) { f.symbol().st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC); }},
    };
}

std::vector<Way> ways_of_relocations() {
    return {
        {"relocations_far_away", Reason::relocations_outside,
         [](Spoiler& f) { f.dynamic(DT_RELA).d_un.d_val = huge - 23; }},
        {"relocations_without_end", Reason::relocations_outside,
         [](Spoiler& f) { f.dynamic(DT_RELASZ).d_un.d_val = huge / 24 * 24; }},
        {"relocations_of_another_size", Reason::relocations_outside,
         [](Spoiler& f) { f.dynamic(DT_RELAENT).d_un.d_val = 8; }},
        {"relocations_counted_wrong", Reason::relocations_outside,
         [](Spoiler& f) { f.dynamic(DT_RELACOUNT).d_un.d_val = huge; }},
        {"absolute_relocation", Reason::relocation_kind,
         [](Spoiler& f) { f.relocation(0).r_info = ELF64_R_INFO(1, R_X86_64_64); }},
        {"relocations_of_a_linkage_table", Reason::relocation_kind,
         [](Spoiler& f) { replace_entry(f, DT_JMPREL); }},
        {"relocation_in_the_code", Reason::text_relocation,
         [](Spoiler& f) { f.relocation(0).r_offset = f.segment(1).p_vaddr; }},
        {"text_relocations_announced", Reason::text_relocation,
         [](Spoiler& f) { f.dynamic(DT_FLAGS).d_un.d_val |= DF_TEXTREL; }},
        {"relocation_far_away", Reason::relocation_outside,
         [](Spoiler& f) { f.relocation(f.relocations() - 1).r_offset = huge - 7; }},
        {"relocation_off_its_boundary", Reason::relocation_outside,
         [](Spoiler& f) { f.relocation(0).r_offset += 1; }},
        {"relocation_in_the_dynamic_section", Reason::relocation_outside,
         [](Spoiler& f) { f.relocation(f.relocations() - 1).r_offset = f.segment(3).p_vaddr + 8; }},
        {"relocations_out_of_order", Reason::relocation_order,
         [](Spoiler& f) { std::swap(f.relocation(0), f.relocation(1)); }},
        {"relocation_twice", Reason::relocation_order, [](Spoiler& f) { f.relocation(1) = f.relocation(0); }},
        {"pointer_far_away", Reason::relocation_target,
         [](Spoiler& f) { f.relocation(0).r_addend = INT64_MIN; }},
        {"pointer_before_the_image", Reason::relocation_target,
         [](Spoiler& f) { f.relocation(0).r_addend = -1; }},
        {"pointer_between_segments", Reason::relocation_target,
         [](Spoiler& f) {
             const auto& constants = f.segment(0);
             f.relocation(0).r_addend = static_cast<Elf64_Sxword>(constants.p_vaddr + constants.p_memsz + 1);
         }},
    };
}

} // namespace

std::vector<Way> ways_of_objects() {
    std::vector<Way> all;
    for (const auto& ways : {ways_of_headers(), ways_of_segments(), ways_of_dynamic(), ways_of_relocations()})
        all.insert(all.end(), ways.begin(), ways.end());
    return all;
}

} // namespace bulkhead::test
