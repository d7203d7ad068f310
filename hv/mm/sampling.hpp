// Which of a guest's pages are in use, by the accessed bits of its page tables. Some entries of its L1s,
// drawn at random, lose the bit; a later look shows which pages were used meanwhile. When the watch ends, the
// guest has the bit again where it had it before. Nothing else of an entry is changed.
//
// A guest that reads a watched entry meanwhile sees a page that was not used lately. A guest that clears the
// bit of a watched entry itself may find it set once more.
#pragma once

#include "host/sample_clock.hpp"
#include "hv/mm/frame.hpp"

#include <array>
#include <span>

namespace bulkhead::hv {

// An entry that is watched. Both frames are below 2^27.
struct Watch {
    std::uint64_t table : 27; // the L1
    std::uint64_t page : 27;  // what the entry maps
    std::uint64_t index : 9;
    std::uint64_t was_accessed : 1; // as the guest sees it
};
static_assert(sizeof(Watch) == 8);

inline constexpr auto most_watches = static_cast<std::uint32_t>(page_bytes / sizeof(Watch)); // of one domain

// What is watched of a domain.
struct PageSample {
    Watch* watches; // a frame of the hypervisor's; nullptr: the domain's pages are not sampled
    std::uint32_t count;
    host::SampleClock clock;
};

// The L1s below the root of a domain's first vCPU. Of more than `most`, a random choice.
class TableIndex {
  public:
    static constexpr std::uint32_t most = 2'048; // for 4 GiB

    void begin() {
        count_ = 0;
        next_ = seen_ = 0;
    }
    // Goes on until then, and one table more at most. True once all tables have been seen. Takes the lock of
    // the page tables and holds it so long.
    [[nodiscard]] bool go_on(Domain& domain, std::uint64_t& random, RealTime until);
    [[nodiscard]] bool is_empty() const { return count_ == 0; }
    [[nodiscard]] Mfn draw(std::uint64_t& random) const;

  private:
    [[nodiscard]] Mfn child_ahead(Mfn table, std::uint64_t shift, FrameType type, Owner owner);
    void add(Mfn table, std::uint64_t& random);

    std::array<std::uint32_t, most> tables_{};
    std::uint32_t count_ = 0;
    std::uint64_t seen_ = 0;
    std::uint64_t next_ = 0; // L1 slot of the address space, counted from 0
};

// Pages that are still where they were when their watch began, and how many of them were used since.
struct PagesSeen {
    std::uint32_t looked_at = 0, used = 0;
    PagesSeen& operator+=(const PagesSeen& more) {
        looked_at += more.looked_at;
        used += more.used;
        return *this;
    }
};

// All three take the lock of the domain's page tables for as many entries as they are given: a few.
[[nodiscard]] PagesSeen look_at_pages(Domain& domain, std::span<const Watch> watches);
void end_watches(Domain& domain, std::span<const Watch> watches);
// Begins watches of pages of the domain's own, drawn at random with replacement from all that the tables map.
// The number of them: some draws find no page. The caller flushes stale translations afterwards.
[[nodiscard]] std::uint32_t begin_watches(Domain& domain, const TableIndex& tables, std::span<Watch> watches,
                                          std::uint64_t& random);

} // namespace bulkhead::hv
