// How many page tables a contiguous mapping needs and where each level lies: the tables of one mapping are
// consecutive frames, root first if the set has one, then all L3 (none, but the root, with three levels), all
// L2, all L1, each level in the order of the addresses it maps.
#pragma once

#include "abi/types.hpp"

#include <array>

namespace bulkhead::image {

struct Frames {
    Pfn first;
    std::uint64_t count = 0;

    [[nodiscard]] constexpr Pfn end() const { return Pfn{first.value() + count}; }
    [[nodiscard]] constexpr bool has(Pfn pfn) const { return pfn >= first && pfn < end(); }
    [[nodiscard]] constexpr Pfn at(std::uint64_t index) const { return Pfn{first.value() + index}; }
};

// The address bits that choose an entry of an L`level` table start here: 12, 21, 30, 39.
constexpr unsigned level_shift(unsigned level) { return page_shift + 9 * (level - 1); }

// Number of L`level` tables for the non-empty range [begin, last]: each covers 512 entries of its level.
constexpr std::uint64_t tables_of_level(unsigned level, std::uint64_t begin, std::uint64_t last) {
    return (last >> level_shift(level + 1)) - (begin >> level_shift(level + 1)) + 1;
}

struct TableSet {
    bool has_root = false;
    std::uint64_t begin = 0;              // first address mapped
    std::uint64_t pages = 0;              // mapped from there on
    Pfn target;                           // what the first page maps; the rest follows
    Frames frames;                        // the tables
    std::array<std::uint64_t, 3> count{}; // L1, L2, L3; without the root
    unsigned levels = 4;                  // 3 for a 32-bit guest

    [[nodiscard]] constexpr std::uint64_t last() const { return begin + pages * page_bytes - 1; }

    // The frame of the L`level` table (1 to 3) that maps `address`, which is in the range.
    [[nodiscard]] constexpr Pfn table_for(unsigned level, std::uint64_t address) const {
        std::uint64_t index = has_root ? 1 : 0;
        for (unsigned above = levels - 1; above > level; --above)
            index += count[above - 1];
        return frames.at(index + (address >> level_shift(level + 1)) - (begin >> level_shift(level + 1)));
    }
};

// A set for `pages` pages (not 0) from `begin` on; `frames.first` and `target` are left to the caller.
constexpr TableSet size_tables(bool has_root, std::uint64_t begin, std::uint64_t pages, unsigned levels = 4) {
    TableSet set{
        .has_root = has_root, .begin = begin, .pages = pages, .target = {}, .frames = {}, .count = {}};
    set.frames.count = has_root ? 1 : 0;
    set.levels = levels;
    for (unsigned level = 1; level < levels; ++level) {
        set.count[level - 1] = tables_of_level(level, begin, set.last());
        set.frames.count += set.count[level - 1];
    }
    return set;
}

} // namespace bulkhead::image
