// A last-level cache, as a model: all pCPUs share it, it holds whole pages, and each frame may lie in one set
// only. The sets are dealt out to the machine's zones, which are its colours. It has neither lines nor
// prefetching, and stands for no processor: only which domains share sets, and how full these are, can be
// learnt from it.
#pragma once

#include "abi/types.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace bulkhead::sim {

class Cache {
  public:
    static constexpr std::size_t sets = 64, ways = 16; // pages of 4 KiB: 4 MiB
    static constexpr Nanos miss{6'400};                // to bring a page: 64 lines of 100 ns

    // Of a machine with so many zones; a zone beyond the 64th shares the sets of an earlier one.
    explicit Cache(std::uint32_t zones) : of_zone_{std::max<std::size_t>(sets / std::max(zones, 1U), 1)} {}

    // Uses a frame, which is `offset` frames from the beginning of its zone. True if it was there; it is so
    // afterwards, in place of the one of its set that was not used for the longest time.
    bool use(std::uint32_t frame, std::uint32_t zone, std::uint32_t offset) {
        std::vector<std::uint32_t>& set = sets_[(zone * of_zone_ + offset % of_zone_) % sets];
        const auto found = std::ranges::find(set, frame);
        const bool hit = found != set.end();
        if (hit)
            set.erase(found);
        else if (set.size() == ways)
            set.erase(set.begin());
        set.push_back(frame);
        return hit;
    }

  private:
    std::size_t of_zone_; // sets of each
    std::vector<std::vector<std::uint32_t>> sets_ =
        std::vector<std::vector<std::uint32_t>>(sets); // latest last
};

} // namespace bulkhead::sim
