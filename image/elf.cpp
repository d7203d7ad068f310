// See elf.hpp. Counts and offsets are checked once in open(); afterwards indexes below the counts are safe.
#include "image/elf.hpp"

namespace bulkhead::image {
namespace {

bool starts_with(Bytes file, std::string_view magic) { return text(file).starts_with(magic); }

bool is_compressed(Bytes file) {
    using namespace std::string_view_literals;
    for (const auto magic : {"\x1f\x8b"sv,
                             "\xfd"
                             "7zXZ\0"sv,
                             "BZh"sv, "\x28\xb5\x2f\xfd"sv, "\x5d\0\0"sv, "\x02\x21\x4c\x18"sv, "\x89LZO"sv})
        if (starts_with(file, magic))
            return true;
    return false;
}

bool is_bzimage(Bytes file) {
    const auto magic = part(file, 0x202, 4);
    return magic && text(*magic) == "HdrS";
}

Error what_is_it(Bytes file) {
    if (is_compressed(file))
        return Error::compressed;
    return is_bzimage(file) ? Error::boot_wrapper : Error::not_elf;
}

std::expected<void, Error> check_identity(const Elf64_Ehdr& header) {
    const bool is_32_bit = header.e_ident[EI_CLASS] == ELFCLASS32;
    if (header.e_ident[EI_DATA] != ELFDATA2LSB)
        return std::unexpected(Error::not_x86);
    if (header.e_machine != (is_32_bit ? EM_386 : EM_X86_64))
        return std::unexpected(Error::not_x86);
    if (header.e_type != ET_EXEC)
        return std::unexpected(Error::not_executable);
    return {};
}

// The headers of 32-bit files, in the wide form.
Elf64_Ehdr widen(const Elf32_Ehdr& from) {
    Elf64_Ehdr to{};
    std::memcpy(to.e_ident, from.e_ident, sizeof to.e_ident);
    to.e_type = from.e_type, to.e_machine = from.e_machine, to.e_version = from.e_version;
    to.e_entry = from.e_entry, to.e_phoff = from.e_phoff, to.e_shoff = from.e_shoff;
    to.e_phentsize = from.e_phentsize, to.e_phnum = from.e_phnum;
    to.e_shentsize = from.e_shentsize, to.e_shnum = from.e_shnum, to.e_shstrndx = from.e_shstrndx;
    return to;
}

Elf64_Phdr widen(const Elf32_Phdr& from) {
    return {.p_type = from.p_type,
            .p_flags = from.p_flags,
            .p_offset = from.p_offset,
            .p_vaddr = from.p_vaddr,
            .p_paddr = from.p_paddr,
            .p_filesz = from.p_filesz,
            .p_memsz = from.p_memsz,
            .p_align = from.p_align};
}

Elf64_Shdr widen(const Elf32_Shdr& from) {
    return {.sh_name = from.sh_name,
            .sh_type = from.sh_type,
            .sh_flags = from.sh_flags,
            .sh_addr = from.sh_addr,
            .sh_offset = from.sh_offset,
            .sh_size = from.sh_size,
            .sh_link = from.sh_link,
            .sh_info = from.sh_info,
            .sh_addralign = from.sh_addralign,
            .sh_entsize = from.sh_entsize};
}

// A header at `offset`, in the form that the file's class has.
template<class Wide, class Narrow>
std::optional<Wide> read_header(Bytes file, bool is_32_bit, std::uint64_t offset) {
    if (!is_32_bit)
        return read<Wide>(file, offset);
    const auto header = read<Narrow>(file, offset);
    return header ? std::optional{widen(*header)} : std::nullopt;
}

bool tables_fit(Bytes file, const Elf64_Ehdr& header) {
    const bool is_32_bit = header.e_ident[EI_CLASS] == ELFCLASS32;
    const std::uint64_t segment_bytes = is_32_bit ? sizeof(Elf32_Phdr) : sizeof(Elf64_Phdr);
    const std::uint64_t section_bytes = is_32_bit ? sizeof(Elf32_Shdr) : sizeof(Elf64_Shdr);
    if (header.e_phnum != 0 && header.e_phentsize != segment_bytes)
        return false;
    if (header.e_shnum != 0 && header.e_shentsize != section_bytes)
        return false;
    return part(file, header.e_phoff, header.e_phnum * segment_bytes) &&
           part(file, header.e_shoff, header.e_shnum * section_bytes);
}

} // namespace

std::expected<Elf, Error> Elf::open(Bytes file) {
    if (!starts_with(file, ELFMAG))
        return std::unexpected(what_is_it(file));
    // The class comes first: a complete 32-bit file may be shorter than a 64-bit header.
    const auto kind = read<std::uint8_t>(file, EI_CLASS);
    if (kind && *kind != ELFCLASS64 && *kind != ELFCLASS32)
        return std::unexpected(Error::not_x86);
    const auto header = read_header<Elf64_Ehdr, Elf32_Ehdr>(file, kind == ELFCLASS32, 0);
    if (!header)
        return std::unexpected(Error::truncated);
    if (const auto right = check_identity(*header); !right)
        return std::unexpected(right.error());
    if (!tables_fit(file, *header))
        return std::unexpected(Error::truncated);
    return Elf{file, *header};
}

Elf64_Phdr Elf::program_header(unsigned index) const {
    const std::uint64_t bytes = is_32_bit() ? sizeof(Elf32_Phdr) : sizeof(Elf64_Phdr);
    return read_header<Elf64_Phdr, Elf32_Phdr>(file_, is_32_bit(), header_.e_phoff + index * bytes)
        .value_or(Elf64_Phdr{});
}

Elf64_Shdr Elf::section_header(unsigned index) const {
    const std::uint64_t bytes = is_32_bit() ? sizeof(Elf32_Shdr) : sizeof(Elf64_Shdr);
    return read_header<Elf64_Shdr, Elf32_Shdr>(file_, is_32_bit(), header_.e_shoff + index * bytes)
        .value_or(Elf64_Shdr{});
}

std::optional<Bytes> Elf::contents(const Elf64_Phdr& segment) const {
    return part(file_, segment.p_offset, segment.p_filesz);
}

std::optional<Bytes> Elf::contents(const Elf64_Shdr& section) const {
    return section.sh_type == SHT_NOBITS ? std::nullopt : part(file_, section.sh_offset, section.sh_size);
}

std::string_view Elf::name(const Elf64_Shdr& section) const {
    if (header_.e_shstrndx >= header_.e_shnum)
        return {};
    const auto names = contents(section_header(header_.e_shstrndx));
    if (!names || section.sh_name >= names->size())
        return {};
    return text_before_zero(names->subspan(section.sh_name));
}

} // namespace bulkhead::image
