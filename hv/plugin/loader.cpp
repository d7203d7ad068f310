#include "hv/plugin/loader.hpp"

#include "hv/arch/address_space.hpp"
#include "hv/arch/layout.hpp"
#include "hv/base/machine.hpp"
#include "hv/mm/frame.hpp"

#include <cstring>
#include <elf.h>

namespace bulkhead::hv {

namespace {

constexpr std::uint64_t most_bytes = 1 << 20;
std::uint64_t next_base = layout::plugins;

using Sentence = const char*;

// The object's pages: filled through the direct map, then mapped where they will run.
class Placement {
  public:
    [[nodiscard]] bool reserve(std::uint64_t bytes) {
        pages_ = (bytes + page_bytes - 1) / page_bytes;
        const auto first = frame_table().allocate_contiguous(pages_);
        if (!first)
            return false;
        memory_ = machine::frame_as<std::byte>(*first);
        std::memset(memory_, 0, pages_ * page_bytes);
        return true;
    }
    // `bytes` at the object's address `at`, or nullptr if they leave it.
    [[nodiscard]] std::byte* at(std::uint64_t address, std::uint64_t bytes) const {
        return address <= size() && bytes <= size() - address ? memory_ + address : nullptr;
    }
    template<class T>
    [[nodiscard]] T* as(std::uint64_t address, std::uint64_t count = 1) const {
        return count > size() / sizeof(T) ? nullptr : reinterpret_cast<T*>(at(address, count * sizeof(T)));
    }
    [[nodiscard]] std::uint64_t size() const { return pages_ * page_bytes; }
    void map(std::uint64_t base, std::uint64_t from, std::uint64_t bytes, Access access) const {
        const auto physical = machine::frame_of(memory_ + from).value() << page_shift;
        map_hypervisor(base + from, physical, (bytes + page_bytes - 1) & ~(page_bytes - 1), access);
    }

  private:
    std::byte* memory_ = nullptr;
    std::uint64_t pages_ = 0;
};

struct Dynamic {
    std::uint64_t symbols = 0, strings = 0, strings_bytes = 0, hash = 0, relocations = 0,
                  relocations_bytes = 0;
};

std::expected<std::span<const Elf64_Phdr>, Sentence> program_headers(std::span<const std::byte> file) {
    if (file.size() < sizeof(Elf64_Ehdr))
        return std::unexpected{"it is not an ELF file"};
    const auto& header = *reinterpret_cast<const Elf64_Ehdr*>(file.data());
    if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_type != ET_DYN ||
        header.e_machine != EM_X86_64)
        return std::unexpected{"it is not a shared object for x86-64"};
    if (header.e_phoff > file.size() || header.e_phentsize != sizeof(Elf64_Phdr) ||
        header.e_phnum * sizeof(Elf64_Phdr) > file.size() - header.e_phoff)
        return std::unexpected{"its program headers leave the file"};
    return std::span{reinterpret_cast<const Elf64_Phdr*>(file.data() + header.e_phoff), header.e_phnum};
}

std::expected<std::uint64_t, Sentence>
copy_segments(std::span<const std::byte> file, std::span<const Elf64_Phdr> segments, Placement& placement) {
    std::uint64_t top = 0;
    for (const auto& s : segments)
        if (s.p_type == PT_LOAD) {
            if (s.p_vaddr % page_bytes != 0 || s.p_memsz > most_bytes || s.p_vaddr > most_bytes ||
                s.p_filesz > s.p_memsz || s.p_offset > file.size() || s.p_filesz > file.size() - s.p_offset)
                return std::unexpected{"a segment is not page-aligned, leaves the file or is too large"};
            top = std::max(top, s.p_vaddr + s.p_memsz);
        }
    if (top == 0 || !placement.reserve(top))
        return std::unexpected{"it has no segment to load, or memory is short"};
    for (const auto& s : segments)
        if (s.p_type == PT_LOAD)
            std::memcpy(placement.at(s.p_vaddr, s.p_memsz), file.data() + s.p_offset, s.p_filesz);
    return top;
}

std::expected<Dynamic, Sentence> read_dynamic(std::span<const Elf64_Phdr> segments,
                                              const Placement& placement) {
    Dynamic found;
    for (const auto& s : segments) {
        if (s.p_type != PT_DYNAMIC)
            continue;
        const auto count = s.p_memsz / sizeof(Elf64_Dyn);
        const auto* entries = placement.as<const Elf64_Dyn>(s.p_vaddr, count);
        if (entries == nullptr)
            return std::unexpected{"its dynamic section leaves the object"};
        for (std::uint64_t i = 0; i < count && entries[i].d_tag != DT_NULL; ++i) {
            const auto value = entries[i].d_un.d_val;
            switch (entries[i].d_tag) {
            case DT_SYMTAB:
                found.symbols = value;
                break;
            case DT_STRTAB:
                found.strings = value;
                break;
            case DT_STRSZ:
                found.strings_bytes = value;
                break;
            case DT_HASH:
                found.hash = value;
                break;
            case DT_RELA:
                found.relocations = value;
                break;
            case DT_RELASZ:
                found.relocations_bytes = value;
                break;
            default:
                break;
            }
        }
    }
    if (found.symbols == 0 || found.strings == 0 || found.hash == 0)
        return std::unexpected{"it has no symbol table with a DT_HASH"};
    return found;
}

std::expected<void, Sentence> relocate(const Dynamic& dynamic, const Placement& placement,
                                       std::uint64_t base) {
    const auto count = dynamic.relocations_bytes / sizeof(Elf64_Rela);
    const auto* entries = placement.as<const Elf64_Rela>(dynamic.relocations, count);
    if (entries == nullptr)
        return std::unexpected{"its relocations leave the object"};
    for (std::uint64_t i = 0; i < count; ++i) {
        auto* where = placement.as<std::uint64_t>(entries[i].r_offset);
        if (ELF64_R_TYPE(entries[i].r_info) != R_X86_64_RELATIVE || where == nullptr)
            return std::unexpected{"it has a relocation that is not relative to its base"};
        *where = base + static_cast<std::uint64_t>(entries[i].r_addend);
    }
    return {};
}

std::expected<std::uint64_t, Sentence> find_descriptor(const Dynamic& dynamic, const Placement& placement) {
    const auto* hash = placement.as<const std::uint32_t>(dynamic.hash, 2);
    const std::uint64_t count = hash != nullptr ? hash[1] : 0; // number of chains = number of symbols
    const auto* symbols = placement.as<const Elf64_Sym>(dynamic.symbols, count);
    constexpr std::string_view wanted{plugin::descriptor_symbol};
    for (std::uint64_t i = 0; symbols != nullptr && i < count; ++i) {
        const auto* name = placement.at(dynamic.strings + symbols[i].st_name, wanted.size() + 1);
        if (name != nullptr && std::memcmp(name, wanted.data(), wanted.size() + 1) == 0)
            return symbols[i].st_value;
    }
    return std::unexpected{"it does not export bulkhead_policy"};
}

} // namespace

std::expected<LoadedPlugin, Sentence> load_plugin(std::span<const std::byte> file, plugin::Kind kind) {
    const auto base = next_base;
    Placement placement;
    const auto segments = program_headers(file);
    if (!segments)
        return std::unexpected{segments.error()};
    if (const auto copied = copy_segments(file, *segments, placement); !copied)
        return std::unexpected{copied.error()};
    const auto dynamic = read_dynamic(*segments, placement);
    if (!dynamic)
        return std::unexpected{dynamic.error()};
    if (const auto done = relocate(*dynamic, placement, base); !done)
        return std::unexpected{done.error()};
    const auto where = find_descriptor(*dynamic, placement);
    if (!where)
        return std::unexpected{where.error()};
    const auto* descriptor = placement.as<const plugin::Descriptor>(*where);
    if (descriptor == nullptr || descriptor->magic != plugin::magic)
        return std::unexpected{"its bulkhead_policy is no policy descriptor"};
    if (descriptor->abi_version != plugin::abi_version)
        return std::unexpected{
            "it was built for another plug-in ABI: rebuild it against this hypervisor's headers"};
    if (descriptor->kind != kind)
        return std::unexpected{"it is a policy of another kind"};
    LoadedPlugin loaded{reinterpret_cast<const plugin::Descriptor*>(base + *where), {}};
    for (const auto& s : *segments)
        if (s.p_type == PT_LOAD) {
            const bool code = (s.p_flags & PF_X) != 0;
            placement.map(base, s.p_vaddr, s.p_memsz, code ? Access::execute : Access::read);
            if (code)
                loaded.text = {base + s.p_vaddr, base + s.p_vaddr + s.p_memsz};
        }
    next_base += (placement.size() + (2 << 20)) & ~std::uint64_t{(1 << 20) - 1};
    return loaded;
}

} // namespace bulkhead::hv
