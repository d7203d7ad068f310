// A bounds-checked view of an ELF file, of 64 or 32 bits, from an untrusted source. Headers have the wide
// form in both. It never reads outside of the span it was given and never allocates; what it returns points
// into that span.
#pragma once

#include "image/bytes.hpp"
#include "image/error.hpp"

#include <elf.h>
#include <expected>

namespace bulkhead::image {

class Elf {
  public:
    // Accepts a complete executable for x86-64 or, of 32 bits, for i386; says what it is instead, if it is
    // something well known.
    [[nodiscard]] static std::expected<Elf, Error> open(Bytes file);

    [[nodiscard]] bool is_32_bit() const { return header_.e_ident[EI_CLASS] == ELFCLASS32; }
    [[nodiscard]] std::uint64_t entry() const { return header_.e_entry; }
    [[nodiscard]] unsigned program_headers() const { return header_.e_phnum; }
    [[nodiscard]] unsigned section_headers() const { return header_.e_shnum; }

    // Index below the counts above; the tables were checked by open().
    [[nodiscard]] Elf64_Phdr program_header(unsigned index) const;
    [[nodiscard]] Elf64_Shdr section_header(unsigned index) const;

    // The bytes of a segment or section in the file, or nothing if they leave it.
    [[nodiscard]] std::optional<Bytes> contents(const Elf64_Phdr& segment) const;
    [[nodiscard]] std::optional<Bytes> contents(const Elf64_Shdr& section) const;

    // Empty if the file has no usable name for it.
    [[nodiscard]] std::string_view name(const Elf64_Shdr& section) const;

  private:
    Elf(Bytes file, const Elf64_Ehdr& header) : file_{file}, header_{header} {}

    Bytes file_;
    Elf64_Ehdr header_;
};

} // namespace bulkhead::image
