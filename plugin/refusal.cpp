#include "plugin/refusal.hpp"

namespace bulkhead::plugin {

namespace {

struct Row {
    Reason reason;
    // %f, %l, %m: found, least and most in decimal; %x: found in hexadecimal; %t, %o: text and other.
    std::string_view sentence;
};

constexpr Row rows[] = {
    {Reason::not_elf, "the file is not an ELF file; build a policy with ./bulkhead build or bulkhead-plugin"},
    {Reason::not_shared_object, "the file is not a shared object for 64-bit x86"},
    {Reason::too_large, "the file has %f bytes; a policy has at most %m"},
    {Reason::headers_outside, "the program headers are damaged or leave the file"},
    {Reason::segment_type, "a program header has type 0x%x; link the policy with plugin/plugin.ld"},
    {Reason::executable_stack, "the policy asks for an executable stack; link it with -z noexecstack"},
    {Reason::writable_code, "the segment at 0x%x is both writable and executable"},
    {Reason::segment_alignment, "the segment at 0x%x is not aligned to pages of 4096 bytes"},
    {Reason::segment_outside, "the segment at 0x%x is empty, leaves the file, or ends beyond %m bytes"},
    {Reason::zero_filled,
     "the segment at 0x%x has zero-filled memory; a policy has no writable globals: keep state in its class"},
    {Reason::segment_overlap, "the segment at 0x%x begins before the end of the one listed before it"},
    {Reason::segment_roles, "the load segments are not constants (R), code (R E), relocated constants (RW)"},
    {Reason::sections_outside, "the section headers are damaged or leave the file"},
    {Reason::writable_section,
     "the section %t is writable; a policy has no writable globals: keep state in its class"},
    {Reason::dynamic_place, "the dynamic section is missing, repeated, or outside the relocated constants"},
    {Reason::dynamic_unterminated, "the dynamic section does not end in DT_NULL"},
    {Reason::dynamic_entry, "the dynamic section has an entry of type 0x%x, which a policy may not have"},
    {Reason::dynamic_repeated, "the dynamic section has two entries of type 0x%x"},
    {Reason::dynamic_flags, "the dynamic section has the flags 0x%x; a policy has no flag but NOW"},
    {Reason::needs_library, "the policy needs another library; it may call nothing outside itself"},
    {Reason::has_constructors,
     "the policy has constructors or destructors of globals; make the globals constexpr"},
    {Reason::no_symbol_table, "the dynamic section lacks a symbol table with names and DT_HASH"},
    {Reason::symbols_outside, "the symbol table is damaged or leaves the constants"},
    {Reason::undefined_symbol, "the symbol '%t' is undefined; a policy may call nothing outside itself"},
    {Reason::other_symbol, "the policy exports '%t'; it may export bulkhead_policy alone, once"},
    {Reason::no_descriptor,
     "the policy does not export the object bulkhead_policy; register it with its contract's macro"},
    {Reason::relocations_outside, "the relocation table is damaged or leaves the constants"},
    {Reason::relocation_kind, "the policy has a relocation that is not relative to its base"},
    {Reason::text_relocation, "the policy has a relocation in its code or constants; compile it with -fPIC"},
    {Reason::relocation_outside, "the relocation at 0x%x is misaligned or outside the relocated constants"},
    {Reason::relocation_order, "the relocation at 0x%x begins before the end of the one listed before it"},
    {Reason::relocation_target, "the relocation at 0x%x leads outside the segments"},
    {Reason::descriptor_place, "the descriptor is misaligned or outside the relocated constants"},
    {Reason::wrong_magic,
     "the descriptor does not begin with the magic number of policies; rebuild the policy"},
    {Reason::wrong_version,
     "the policy is built for plug-in ABI version %f, this Bulkhead has version %m; rebuild the policy"},
    {Reason::unknown_kind, "the descriptor names kind %f, which this Bulkhead does not know"},
    {Reason::wrong_kind, "the policy is a %t, not a %o"},
    {Reason::unknown_traits, "the descriptor has the traits 0x%x, not all of which this Bulkhead knows"},
    {Reason::relocated_number, "a relocation changes the number at 0x%x of the descriptor or a table"},
    {Reason::parameter_count, "the policy declares %f %t; the most are %m"},
    {Reason::table_place, "the table of %t is missing, misaligned or outside the relocated constants"},
    {Reason::text_place, "the %t of %o is missing, outside the constants or longer than %m bytes"},
    {Reason::text_encoding, "the %t of %o is not printable UTF-8"},
    {Reason::bad_name,
     "the name '%o' of %t is not a letter followed by letters, digits and '_', at most %m in all"},
    {Reason::repeated_parameter, "two parameters have the name '%t'"},
    {Reason::parameter_bounds, "the parameter '%t' does not have least <= initial <= most"},
    {Reason::object_size, "the policy's %t has %f bytes; the bounds are %l and %m"},
    {Reason::hook_place, "hook %f of the hook table is missing or does not lead into the code"},
    {Reason::vector_registers,
     "the code uses the guests' registers %t; compile with -mgeneral-regs-only or as bulkhead-plugin does"},
};

consteval bool one_row_for_each_reason() {
    for (std::size_t i = 0; i < std::size(rows); ++i)
        if (static_cast<std::size_t>(rows[i].reason) != i)
            return false;
    return std::size(rows) == reason_count;
}
static_assert(one_row_for_each_reason());

void add_detail(Sentence& made, char which, const Refusal& refusal) {
    constexpr std::size_t longest = 64; // of a text from the file, so that the sentence keeps its end
    switch (which) {
    case 'f':
        return made.add(refusal.found, 10);
    case 'l':
        return made.add(refusal.least, 10);
    case 'm':
        return made.add(refusal.most, 10);
    case 'x':
        return made.add(refusal.found, 16);
    case 't':
        return made.add(refusal.text.substr(0, longest));
    default:
        return made.add(refusal.other.substr(0, longest));
    }
}

} // namespace

void Sentence::add(char byte) {
    if (length_ + 1 < text_.size())
        text_[length_++] = byte;
}

void Sentence::add(std::string_view text) {
    for (const char byte : text)
        add(byte >= ' ' && byte <= '~' ? byte : '?');
}

void Sentence::add(std::uint64_t number, unsigned base) {
    std::array<char, 20> digits{};
    std::size_t first = digits.size();
    do
        digits[--first] = "0123456789abcdef"[number % base];
    while ((number /= base) != 0);
    add({digits.data() + first, digits.size() - first});
}

Sentence sentence(const Refusal& refusal) {
    Sentence made;
    const auto form = rows[static_cast<std::size_t>(refusal.reason)].sentence;
    for (std::size_t i = 0; i < form.size(); ++i)
        if (form[i] == '%' && i + 1 < form.size())
            add_detail(made, form[++i], refusal);
        else
            made.add(form[i]);
    return made;
}

} // namespace bulkhead::plugin
