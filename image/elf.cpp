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
    if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB)
        return std::unexpected(Error::not_64_bit);
    if (header.e_machine != EM_X86_64)
        return std::unexpected(Error::not_x86_64);
    if (header.e_type != ET_EXEC)
        return std::unexpected(Error::not_executable);
    return {};
}

bool tables_fit(Bytes file, const Elf64_Ehdr& header) {
    if (header.e_phnum != 0 && header.e_phentsize != sizeof(Elf64_Phdr))
        return false;
    if (header.e_shnum != 0 && header.e_shentsize != sizeof(Elf64_Shdr))
        return false;
    return part(file, header.e_phoff, std::uint64_t{header.e_phnum} * sizeof(Elf64_Phdr)) &&
           part(file, header.e_shoff, std::uint64_t{header.e_shnum} * sizeof(Elf64_Shdr));
}

} // namespace

std::expected<Elf, Error> Elf::open(Bytes file) {
    if (!starts_with(file, ELFMAG))
        return std::unexpected(what_is_it(file));
    // The class comes first: a complete 32-bit file may be shorter than a 64-bit header.
    if (const auto kind = read<std::uint8_t>(file, EI_CLASS); kind && *kind != ELFCLASS64)
        return std::unexpected(Error::not_64_bit);
    const auto header = read<Elf64_Ehdr>(file, 0);
    if (!header)
        return std::unexpected(Error::truncated);
    if (const auto right = check_identity(*header); !right)
        return std::unexpected(right.error());
    if (!tables_fit(file, *header))
        return std::unexpected(Error::truncated);
    return Elf{file, *header};
}

Elf64_Phdr Elf::program_header(unsigned index) const {
    return read<Elf64_Phdr>(file_, header_.e_phoff + std::uint64_t{index} * sizeof(Elf64_Phdr))
        .value_or(Elf64_Phdr{});
}

Elf64_Shdr Elf::section_header(unsigned index) const {
    return read<Elf64_Shdr>(file_, header_.e_shoff + std::uint64_t{index} * sizeof(Elf64_Shdr))
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
