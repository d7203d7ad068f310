// See fill.hpp.
#include "image/fill.hpp"

#include "image/hypercall_page.hpp"

#include <algorithm>

namespace bulkhead::image {
namespace {

// Where a table stands: its set, its level and the first address it covers.
struct Position {
    const TableSet& set;
    unsigned level;
    std::uint64_t covers;
};

Position locate(const TableSet& set, std::uint64_t index) {
    if (set.has_root) {
        if (index == 0)
            return {set, set.levels, 0};
        --index;
    }
    unsigned level = set.levels - 1;
    while (level > 1 && index >= set.count[level - 1])
        index -= set.count[level-- - 1];
    const unsigned shift = level_shift(level + 1);
    return {set, level, ((set.begin >> shift) + index) << shift};
}

// The address that entry `slot` of a table begins to map, sign-extended for the root.
std::uint64_t slot_address(const Position& table, unsigned slot) {
    const std::uint64_t address = table.covers + (std::uint64_t{slot} << level_shift(table.level));
    return table.level == 4 && slot >= 256 ? address | 0xffff'0000'0000'0000 : address;
}

// Whether [address, address + size of an entry) meets the set's range. Compared by entry number: no sum can
// overflow.
bool maps(const TableSet& set, unsigned level, std::uint64_t address) {
    const unsigned shift = level_shift(level);
    return set.pages != 0 && address >> shift >= set.begin >> shift &&
           address >> shift <= set.last() >> shift;
}

std::optional<EntryTarget> target_in(const Layout& layout, const TableSet& set, unsigned level,
                                     std::uint64_t address) {
    if (!maps(set, level, address))
        return std::nullopt;
    if (level > 1)
        return EntryTarget{set.table_for(level - 1, std::max(address, set.begin)),
                           level == 3 && layout.pae ? entry_present : table_flags};
    const Pfn pfn{set.target.value() + (address - set.begin) / page_bytes};
    return EntryTarget{pfn, (layout.pae ? leaf_flags & ~entry_user : leaf_flags) |
                                (layout.is_table(pfn) ? 0 : entry_writable | entry_dirty)};
}

} // namespace

std::optional<EntryTarget> table_entry_target(const Layout& layout, std::uint64_t index, unsigned slot) {
    const bool apart = index >= layout.tables.frames.count;
    const auto table =
        apart ? locate(layout.p2m_tables, index - layout.tables.frames.count) : locate(layout.tables, index);
    const auto address = slot_address(table, slot);
    if (auto target = target_in(layout, table.set, table.level, address);
        target || table.level < 4 || layout.pae)
        return target;
    return target_in(layout, layout.p2m_tables, table.level, address); // the root serves both sets
}

void fill_kernel(const Kernel& kernel, const Layout& layout, Pfn pfn, Page out) {
    if (kernel.hypercall_page && *kernel.hypercall_page == layout.address(pfn))
        return kernel.pae ? write_pae_hypercall_page(out) : write_hypercall_page(out);
    std::memset(out.data(), 0, out.size());
    const std::uint64_t begin = pfn.value() * page_bytes;
    const std::uint64_t end = begin + page_bytes;
    for (const Segment& segment : kernel.loads()) {
        const auto from = std::max(begin, segment.place);
        const auto to = std::min(end, segment.place + segment.contents.size());
        if (from < to)
            std::memcpy(out.data() + (from - begin), segment.contents.data() + (from - segment.place),
                        to - from);
    }
}

void fill_initrd(Bytes initrd, const Layout& layout, Pfn pfn, Page out) {
    const std::uint64_t from = (pfn.value() - layout.initrd.first.value()) * page_bytes;
    const std::uint64_t bytes =
        from < initrd.size() ? std::min<std::uint64_t>(page_bytes, initrd.size() - from) : 0;
    if (bytes != 0)
        std::memcpy(out.data(), initrd.data() + from, bytes);
    std::memset(out.data() + bytes, 0, page_bytes - bytes);
}

bool holds_something(const Layout& layout, Pfn pfn) {
    return layout.kernel.has(pfn) || layout.initrd.has(pfn) || layout.p2m.has(pfn) ||
           layout.start_info.has(pfn) || layout.is_table(pfn);
}

} // namespace bulkhead::image
