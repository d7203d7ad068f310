// Why a policy's file is refused: the list of reasons and their sentences, declared once for every program
// that reads policies (hypervisor, simulator, Python, the build's check). Freestanding: no heap, no
// exceptions.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace bulkhead::plugin {

enum class Reason : std::uint8_t {
    not_elf,
    not_shared_object,
    too_large,
    headers_outside,
    segment_type,
    executable_stack,
    writable_code,
    segment_alignment,
    segment_outside,
    zero_filled,
    segment_overlap,
    segment_roles,
    sections_outside,
    writable_section,
    dynamic_place,
    dynamic_unterminated,
    dynamic_entry,
    dynamic_repeated,
    dynamic_flags,
    needs_library,
    has_constructors,
    no_symbol_table,
    symbols_outside,
    undefined_symbol,
    other_symbol,
    no_descriptor,
    relocations_outside,
    relocation_kind,
    text_relocation,
    relocation_outside,
    relocation_order,
    relocation_target,
    descriptor_place,
    wrong_magic,
    wrong_version,
    unknown_kind,
    wrong_kind,
    unknown_traits,
    relocated_number,
    parameter_count,
    table_place,
    text_place,
    text_encoding,
    bad_name,
    repeated_parameter,
    parameter_bounds,
    object_size,
    hook_place,
    vector_registers, // found by the build's check alone, which disassembles the code
};
inline constexpr std::size_t reason_count = static_cast<std::size_t>(Reason::vector_registers) + 1;

// A reason and what its sentence mentions. The views are into the file or into constants.
struct Refusal {
    Reason reason;
    std::uint64_t found = 0;
    std::uint64_t least = 0, most = 0;
    std::string_view text = {};
    std::string_view other = {};
};

// A sentence with its own memory, cut at its end if a text from the file is long.
class Sentence {
  public:
    [[nodiscard]] const char* c_str() const { return text_.data(); }
    [[nodiscard]] std::string_view view() const { return {text_.data(), length_}; }
    void add(char byte);
    // Unprintable bytes become '?': the text may come from a hostile file and go to a terminal.
    void add(std::string_view text);
    void add(std::uint64_t number, unsigned base);

  private:
    std::array<char, 240> text_{}; // the byte after the last one stays zero
    std::size_t length_ = 0;
};

// One sentence that says what is wrong with the file and, where there is a usual cause, what to do.
[[nodiscard]] Sentence sentence(const Refusal& refusal);

} // namespace bulkhead::plugin
