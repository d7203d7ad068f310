#include "plugin/object.hpp"

#include <algorithm>
#include <elf.h>

namespace bulkhead::plugin {

namespace {

using image::Bytes;
using Judged = std::expected<void, Refusal>;

std::unexpected<Refusal> refuse(Reason reason, std::uint64_t found = 0, std::uint64_t most = 0) {
    return std::unexpected{Refusal{.reason = reason, .found = found, .most = most}};
}

// What a dynamic linker demands of the identification, too: the simulator hands the file to one.
bool is_shared_object(const Elf64_Ehdr& header) {
    const auto& id = header.e_ident;
    return id[EI_CLASS] == ELFCLASS64 && id[EI_DATA] == ELFDATA2LSB && id[EI_VERSION] == EV_CURRENT &&
           (id[EI_OSABI] == ELFOSABI_NONE || id[EI_OSABI] == ELFOSABI_GNU) && id[EI_ABIVERSION] == 0 &&
           std::all_of(id + EI_PAD, id + EI_NIDENT, [](unsigned char byte) { return byte == 0; }) &&
           header.e_type == ET_DYN && header.e_machine == EM_X86_64 && header.e_version == EV_CURRENT;
}

// One loadable segment by itself; `free_from` is the end of the one before it.
std::expected<Segment, Refusal> read_load(Bytes file, const Elf64_Phdr& header, std::uint64_t free_from) {
    const auto at = header.p_vaddr;
    if ((header.p_flags & PF_W) != 0 && (header.p_flags & PF_X) != 0)
        return refuse(Reason::writable_code, at);
    if (at % segment_page != 0 || header.p_offset % segment_page != 0 || header.p_align != segment_page)
        return refuse(Reason::segment_alignment, at);
    const auto contents = image::part(file, header.p_offset, header.p_filesz);
    if (!contents || header.p_memsz == 0 || header.p_filesz > header.p_memsz || at > largest_image ||
        header.p_memsz > largest_image - at)
        return refuse(Reason::segment_outside, at, largest_image);
    if (header.p_filesz < header.p_memsz)
        return refuse(Reason::zero_filled, at);
    if (at < free_from)
        return refuse(Reason::segment_overlap, at);
    return Segment{at, *contents};
}

bool may_be_writable(std::string_view section) {
    constexpr std::string_view allowed[] = {".data.rel.ro", ".dynamic", ".got", ".got.plt"};
    return std::ranges::find(allowed, section) != std::end(allowed);
}

} // namespace

std::expected<Object, Refusal> Object::read(Bytes file) {
    Object made;
    if (const auto judged = made.read_header(file); !judged)
        return std::unexpected{judged.error()};
    if (const auto judged = made.read_segments(file); !judged)
        return std::unexpected{judged.error()};
    if (const auto judged = made.judge_sections(file); !judged)
        return std::unexpected{judged.error()};
    if (const auto judged = made.read_dynamic(); !judged)
        return std::unexpected{judged.error()};
    return made;
}

Judged Object::read_header(Bytes file) {
    const auto header = image::read<Elf64_Ehdr>(file, 0);
    if (!header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0)
        return refuse(Reason::not_elf);
    if (!is_shared_object(*header))
        return refuse(Reason::not_shared_object);
    if (file.size() > largest_file)
        return refuse(Reason::too_large, file.size(), largest_file);
    if (header->e_phentsize != sizeof(Elf64_Phdr) ||
        !image::part(file, header->e_phoff, std::uint64_t{header->e_phnum} * sizeof(Elf64_Phdr)))
        return refuse(Reason::headers_outside);
    return {};
}

Judged Object::read_segments(Bytes file) {
    constexpr std::uint32_t roles[] = {PF_R, PF_R | PF_X, PF_R | PF_W};
    const auto header = *image::read<Elf64_Ehdr>(file, 0);
    std::size_t loads = 0;
    std::optional<Elf64_Phdr> dynamic;
    for (unsigned i = 0; i < header.e_phnum; ++i) {
        const auto segment = *image::read<Elf64_Phdr>(file, header.e_phoff + i * sizeof(Elf64_Phdr));
        if (segment.p_type == PT_LOAD) {
            const auto load = read_load(file, segment, loads == 0 ? 0 : segments_[loads - 1].end());
            if (!load)
                return std::unexpected{load.error()};
            if (loads == segments_.size() || (segment.p_flags & (PF_R | PF_W | PF_X)) != roles[loads])
                return refuse(Reason::segment_roles);
            segments_[loads++] = *load;
        } else if (segment.p_type == PT_DYNAMIC) {
            if (dynamic)
                return refuse(Reason::dynamic_place);
            dynamic = segment;
        } else if (segment.p_type != PT_GNU_STACK) {
            return refuse(Reason::segment_type, segment.p_type);
        } else if ((segment.p_flags & PF_X) != 0) {
            return refuse(Reason::executable_stack);
        }
    }
    if (loads != segments_.size())
        return refuse(Reason::segment_roles);
    if (!dynamic || !relocated().holds(dynamic->p_vaddr, dynamic->p_memsz) || dynamic->p_vaddr % 8 != 0 ||
        dynamic->p_memsz % sizeof(Elf64_Dyn) != 0 || dynamic->p_filesz != dynamic->p_memsz ||
        dynamic->p_memsz == 0)
        return refuse(Reason::dynamic_place);
    dynamic_ = {dynamic->p_vaddr, relocated().at(dynamic->p_vaddr, dynamic->p_memsz)};
    return {};
}

// A file without section headers is judged by its segments alone, as loaders see it.
Judged Object::judge_sections(Bytes file) const {
    const auto header = *image::read<Elf64_Ehdr>(file, 0);
    if (header.e_shnum == 0)
        return {};
    const auto table = image::part(file, header.e_shoff, std::uint64_t{header.e_shnum} * sizeof(Elf64_Shdr));
    if (header.e_shentsize != sizeof(Elf64_Shdr) || !table || header.e_shstrndx >= header.e_shnum)
        return refuse(Reason::sections_outside);
    const auto names = *image::read<Elf64_Shdr>(*table, header.e_shstrndx * sizeof(Elf64_Shdr));
    const auto strings = image::part(file, names.sh_offset, names.sh_size);
    for (std::uint64_t i = 0; i < header.e_shnum; ++i) {
        const auto section = *image::read<Elf64_Shdr>(*table, i * sizeof(Elf64_Shdr));
        if (!strings || section.sh_name > strings->size())
            return refuse(Reason::sections_outside);
        const auto name = image::text_before_zero(strings->subspan(section.sh_name));
        constexpr std::uint64_t written = SHF_ALLOC | SHF_WRITE;
        if ((section.sh_flags & SHF_TLS) != 0 ||
            ((section.sh_flags & written) == written && !may_be_writable(name)))
            return std::unexpected{Refusal{.reason = Reason::writable_section, .text = name}};
    }
    return {};
}

std::size_t Object::relocation_count() const { return relocations_.size() / sizeof(Elf64_Rela); }

Relocation Object::relocation(std::size_t index) const {
    const auto entry = *image::read<Elf64_Rela>(relocations_, index * sizeof(Elf64_Rela));
    return {entry.r_offset, static_cast<std::uint64_t>(entry.r_addend)};
}

void Object::place(std::span<std::byte> memory, std::uint64_t base) const {
    std::memset(memory.data(), 0, memory.size());
    for (const auto& segment : segments_)
        std::memcpy(memory.data() + segment.address, segment.contents.data(), segment.contents.size());
    for (std::size_t i = 0; i < relocation_count(); ++i) {
        const auto [where, target] = relocation(i);
        const auto value = base + target;
        std::memcpy(memory.data() + where, &value, sizeof value);
    }
}

bool Object::has_table(std::uint64_t address, std::uint64_t bytes) const {
    return address % 8 == 0 && relocated().holds(address, bytes) && !meets_dynamic(address, bytes);
}

std::optional<std::uint64_t> Object::pointer(std::uint64_t address) const {
    if (const auto target = target_at(address))
        return target;
    const auto value = *image::read<std::uint64_t>(relocated().contents, address - relocated().address);
    return value == 0 ? std::optional{value} : std::nullopt;
}

// A dynamic linker writes into the dynamic section, so nothing else may lie there.
bool Object::meets_dynamic(std::uint64_t address, std::uint64_t bytes) const {
    return address < dynamic_.end() && dynamic_.address < address + bytes;
}

std::optional<std::uint64_t> Object::target_at(std::uint64_t where) const {
    std::size_t first = 0, last = relocation_count();
    while (first < last) {
        const auto middle = first + (last - first) / 2;
        if (relocation(middle).where < where)
            first = middle + 1;
        else
            last = middle;
    }
    if (first == relocation_count() || relocation(first).where != where)
        return std::nullopt;
    return relocation(first).target;
}

} // namespace bulkhead::plugin
