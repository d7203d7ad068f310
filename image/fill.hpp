// Produces the first contents of a domain's frames, one at a time, so that the hypervisor can write through
// its direct map and domain 0 through a mapping window. Knows nothing about either.
#pragma once

#include "image/start_info.hpp"

#include <concepts>

namespace bulkhead::image {

// Gives the machine frame of each of the domain's frames.
template<class F>
concept FrameMap = requires(const F& map, Pfn pfn) {
    { map(pfn) } -> std::same_as<Mfn>;
};

using Page = std::span<std::byte, page_bytes>;
using TablePage = std::span<std::uint64_t, 512>;

inline constexpr std::uint64_t entry_present = 1 << 0, entry_writable = 1 << 1, entry_user = 1 << 2,
                               entry_accessed = 1 << 5, entry_dirty = 1 << 6;

// Kernel and applications of a 64-bit PV guest both run in ring 3, so every level is open to the user. The
// pages of a 32-bit kernel are not: it runs in ring 1. Its root, an L3, has entries without rights.
inline constexpr std::uint64_t leaf_flags = entry_present | entry_user | entry_accessed;
inline constexpr std::uint64_t table_flags =
    entry_present | entry_writable | entry_user | entry_accessed | entry_dirty;

constexpr std::uint64_t table_entry(Mfn mfn, std::uint64_t flags) {
    return (mfn.value() << page_shift) | flags;
}

// What one entry of a table points to: nothing, a leaf or the next table.
struct EntryTarget {
    Pfn pfn;
    std::uint64_t flags;
};

// Entry `slot` (below 512) of table `index` (below layout.table_count()).
[[nodiscard]] std::optional<EntryTarget> table_entry_target(const Layout& layout, std::uint64_t index,
                                                            unsigned slot);

template<FrameMap Map>
void fill_table(const Layout& layout, std::uint64_t index, const Map& map, TablePage out) {
    for (unsigned slot = 0; slot < out.size(); ++slot) {
        const auto target = table_entry_target(layout, index, slot);
        out[slot] = target ? table_entry(map(target->pfn), target->flags) : 0;
    }
}

// One page of the frame list; entries past the domain's last frame are all ones.
template<FrameMap Map>
void fill_p2m(const Layout& layout, std::uint64_t page, const Map& map, TablePage out) {
    for (std::size_t i = 0; i < out.size(); ++i) {
        const std::uint64_t pfn = page * out.size() + i;
        out[i] = pfn < layout.pages ? map(Pfn{pfn}).value() : ~std::uint64_t{0};
    }
}

// The same for a 32-bit guest, whose list has entries of four bytes.
template<FrameMap Map>
void fill_pae_p2m(const Layout& layout, std::uint64_t page, const Map& map, Page out) {
    constexpr std::uint64_t entries = page_bytes / sizeof(std::uint32_t);
    for (std::uint64_t i = 0; i < entries; ++i) {
        const auto pfn = page * entries + i;
        const auto entry =
            static_cast<std::uint32_t>(pfn < layout.pages ? map(Pfn{pfn}).value() : ~std::uint64_t{0});
        std::memcpy(out.data() + i * sizeof entry, &entry, sizeof entry);
    }
}

// One page of the loaded kernel, with zeros where no segment has bytes, or the hypercall stubs.
void fill_kernel(const Kernel& kernel, const Layout& layout, Pfn pfn, Page out);

// One page of the initrd; zeros behind its end.
void fill_initrd(Bytes initrd, const Layout& layout, Pfn pfn, Page out);

// Everything a domain starts with.
struct Contents {
    const Kernel& kernel;
    const Layout& layout;
    Bytes initrd;
    const start_info_t& start_info;
};

// Writes the first contents of any frame below layout.frames_used; frames that hold nothing become zero.
template<FrameMap Map>
void fill_frame(const Contents& contents, Pfn pfn, const Map& map, Page out) {
    const Layout& layout = contents.layout;
    const TablePage words{reinterpret_cast<std::uint64_t*>(out.data()), 512};
    if (layout.kernel.has(pfn))
        return fill_kernel(contents.kernel, layout, pfn, out);
    if (layout.initrd.has(pfn))
        return fill_initrd(contents.initrd, layout, pfn, out);
    if (layout.p2m.has(pfn) && layout.pae)
        return fill_pae_p2m(layout, pfn.value() - layout.p2m.first.value(), map, out);
    if (layout.p2m.has(pfn))
        return fill_p2m(layout, pfn.value() - layout.p2m.first.value(), map, words);
    if (layout.tables.frames.has(pfn))
        return fill_table(layout, pfn.value() - layout.tables.frames.first.value(), map, words);
    if (layout.p2m_tables.frames.has(pfn))
        return fill_table(layout,
                          pfn.value() - layout.p2m_tables.frames.first.value() + layout.tables.frames.count,
                          map, words);
    std::memset(out.data(), 0, out.size());
    if (!layout.start_info.has(pfn))
        return;
    if (layout.pae) {
        const auto narrow = pae_form(contents.start_info);
        std::memcpy(out.data(), &narrow, sizeof narrow);
    } else {
        std::memcpy(out.data(), &contents.start_info, sizeof contents.start_info);
    }
}

// Whether a frame that is zero already needs fill_frame at all.
[[nodiscard]] bool holds_something(const Layout& layout, Pfn pfn);

} // namespace bulkhead::image
