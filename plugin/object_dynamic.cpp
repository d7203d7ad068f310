// What the dynamic section names: symbols and relocations.
#include "abi/plugin.hpp"
#include "plugin/object.hpp"

#include <algorithm>
#include <elf.h>

namespace bulkhead::plugin {

using image::Bytes;

namespace {

constexpr std::int64_t known_tags[] = {DT_HASH,   DT_STRTAB,  DT_SYMTAB, DT_STRSZ,   DT_SYMENT, DT_RELA,
                                       DT_RELASZ, DT_RELAENT, DT_FLAGS,  DT_FLAGS_1, DT_SONAME, DT_RELACOUNT};

std::unexpected<Refusal> refuse(Reason reason, std::uint64_t found = 0) {
    return std::unexpected{Refusal{.reason = reason, .found = found}};
}

std::unexpected<Refusal> refuse(Reason reason, std::string_view text) {
    return std::unexpected{Refusal{.reason = reason, .text = text}};
}

// Why a tag that is not known may not be there.
Reason reason_against(std::int64_t tag) {
    constexpr std::int64_t relr = 36, relr_bytes = 35, relr_entry = 37; // newer than some elf.h
    switch (tag) {
    case DT_NEEDED:
        return Reason::needs_library;
    case DT_INIT:
    case DT_FINI:
    case DT_INIT_ARRAY:
    case DT_FINI_ARRAY:
    case DT_PREINIT_ARRAY:
    case DT_INIT_ARRAYSZ:
    case DT_FINI_ARRAYSZ:
    case DT_PREINIT_ARRAYSZ:
        return Reason::has_constructors;
    case DT_TEXTREL:
        return Reason::text_relocation;
    case DT_REL:
    case DT_RELSZ:
    case DT_RELENT:
    case DT_JMPREL:
    case DT_PLTREL:
    case DT_PLTRELSZ:
    case relr:
    case relr_bytes:
    case relr_entry:
        return Reason::relocation_kind;
    default:
        return Reason::dynamic_entry;
    }
}

} // namespace

// The entries of a policy's dynamic section, each at most once.
struct Object::Dynamic {
    std::array<std::optional<std::uint64_t>, std::size(known_tags)> values{};

    [[nodiscard]] const std::optional<std::uint64_t>& operator[](std::int64_t tag) const {
        return values[static_cast<std::size_t>(std::ranges::find(known_tags, tag) - known_tags)];
    }
    Judged add(std::int64_t tag, std::uint64_t value) {
        const auto place = static_cast<std::size_t>(std::ranges::find(known_tags, tag) - known_tags);
        if (place == values.size())
            return refuse(reason_against(tag), static_cast<std::uint64_t>(tag));
        if (values[place])
            return refuse(Reason::dynamic_repeated, static_cast<std::uint64_t>(tag));
        values[place] = value;
        return {};
    }
};

Object::Judged Object::read_dynamic() {
    Dynamic found;
    bool ended = false;
    for (std::uint64_t at = 0; at < dynamic_.contents.size() && !ended; at += sizeof(Elf64_Dyn)) {
        const auto entry = *image::read<Elf64_Dyn>(dynamic_.contents, at);
        ended = entry.d_tag == DT_NULL;
        if (!ended)
            if (const auto added = found.add(entry.d_tag, entry.d_un.d_val); !added)
                return added;
    }
    if (!ended)
        return refuse(Reason::dynamic_unterminated);
    const auto flags = found[DT_FLAGS].value_or(0), more = found[DT_FLAGS_1].value_or(0);
    if ((flags & DF_TEXTREL) != 0)
        return refuse(Reason::text_relocation);
    if ((flags & ~std::uint64_t{DF_BIND_NOW}) != 0 || (more & ~std::uint64_t{DF_1_NOW}) != 0)
        return refuse(Reason::dynamic_flags, (flags & ~std::uint64_t{DF_BIND_NOW}) != 0 ? flags : more);
    const auto judged = read_symbols(found);
    return judged ? read_relocations(found) : judged;
}

Object::Judged Object::read_symbols(const Dynamic& dynamic) {
    const auto hash = dynamic[DT_HASH], table = dynamic[DT_SYMTAB], strings = dynamic[DT_STRTAB],
               strings_bytes = dynamic[DT_STRSZ];
    if (!hash || !table || !strings || !strings_bytes)
        return refuse(Reason::no_symbol_table);
    const auto in_constants = [&](std::uint64_t at, std::uint64_t count, std::uint64_t each) {
        return count <= largest_file && constants().holds(at, count * each);
    };
    if (!in_constants(*hash, 2, 4) || !in_constants(*strings, *strings_bytes, 1) || *strings_bytes == 0)
        return refuse(Reason::symbols_outside);
    const auto buckets = *image::read<std::uint32_t>(constants().at(*hash, 8), 0);
    const auto count =
        *image::read<std::uint32_t>(constants().at(*hash, 8), 4); // chains are as many as symbols
    const Bytes names = constants().at(*strings, *strings_bytes);
    if (buckets == 0 || !in_constants(*hash, std::uint64_t{2} + buckets + count, 4) ||
        !in_constants(*table, count, sizeof(Elf64_Sym)) || names.back() != std::byte{0} ||
        dynamic[DT_SYMENT].value_or(sizeof(Elf64_Sym)) != sizeof(Elf64_Sym) ||
        dynamic[DT_SONAME].value_or(0) >= names.size())
        return refuse(Reason::symbols_outside);
    return read_exports(constants().at(*table, std::uint64_t{count} * sizeof(Elf64_Sym)), names);
}

// The first symbol of a table is none.
Object::Judged Object::read_exports(Bytes symbols, Bytes names) {
    bool found = false;
    for (std::uint64_t at = sizeof(Elf64_Sym); at < symbols.size(); at += sizeof(Elf64_Sym)) {
        const auto symbol = *image::read<Elf64_Sym>(symbols, at);
        if (symbol.st_name >= names.size())
            return refuse(Reason::symbols_outside);
        const auto name = image::text_before_zero(names.subspan(symbol.st_name));
        if (symbol.st_shndx == SHN_UNDEF)
            return refuse(Reason::undefined_symbol, name);
        if (found || name != descriptor_symbol)
            return refuse(Reason::other_symbol, name);
        if (ELF64_ST_TYPE(symbol.st_info) != STT_OBJECT || ELF64_ST_BIND(symbol.st_info) != STB_GLOBAL ||
            symbol.st_shndx >= SHN_LORESERVE)
            return refuse(Reason::no_descriptor);
        found = true;
        descriptor_ = symbol.st_value;
    }
    return found ? Judged{} : refuse(Reason::no_descriptor);
}

Object::Judged Object::read_relocations(const Dynamic& dynamic) {
    const auto table = dynamic[DT_RELA].value_or(0), bytes = dynamic[DT_RELASZ].value_or(0);
    if (dynamic[DT_RELA].has_value() != dynamic[DT_RELASZ].has_value() || bytes % sizeof(Elf64_Rela) != 0 ||
        dynamic[DT_RELAENT].value_or(sizeof(Elf64_Rela)) != sizeof(Elf64_Rela) ||
        dynamic[DT_RELACOUNT].value_or(0) > bytes / sizeof(Elf64_Rela) ||
        (bytes != 0 && !constants().holds(table, bytes)))
        return refuse(Reason::relocations_outside);
    relocations_ = bytes == 0 ? Bytes{} : constants().at(table, bytes);
    for (std::size_t i = 0; i < relocation_count(); ++i)
        if (const auto judged = judge_relocation(i, i == 0 ? 0 : relocation(i - 1).where + 8); !judged)
            return judged;
    return {};
}

Object::Judged Object::judge_relocation(std::size_t index, std::uint64_t free_from) const {
    const auto entry = *image::read<Elf64_Rela>(relocations_, index * sizeof(Elf64_Rela));
    const auto [where, target] = relocation(index);
    if (entry.r_info != ELF64_R_INFO(0, R_X86_64_RELATIVE))
        return refuse(Reason::relocation_kind);
    if (constants().holds(where, 1) || code().holds(where, 1))
        return refuse(Reason::text_relocation);
    if (!has_table(where, 8))
        return refuse(Reason::relocation_outside, where);
    if (where < free_from)
        return refuse(Reason::relocation_order, where);
    if (std::ranges::none_of(segments_, [target](const Segment& one) { return one.holds(target, 0); }))
        return refuse(Reason::relocation_target, where);
    return {};
}

} // namespace bulkhead::plugin
