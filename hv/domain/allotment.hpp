// What the host of memory policies (hv/plugin/memory_policy.hpp) keeps of a domain. Changed under its lock.
#pragma once

#include "abi/types.hpp"
#include "host/memory_state.hpp"
#include "host/press.hpp"
#include "hv/mm/sampling.hpp"
#include "hv/mm/zones.hpp"

#include <algorithm>
#include <atomic>

namespace bulkhead::hv {

// Stalls that a guest has claimed since the last look at them. Its vCPUs add to them at any time.
class StallClaims {
  public:
    // It claims to wait so long for a page; 0: it had to wait for none. One claim counts for a second at
    // most.
    void add(std::uint64_t wait) {
        reports_.fetch_add(1, std::memory_order_relaxed);
        if (wait == 0)
            return;
        refaults_.fetch_add(1, std::memory_order_relaxed);
        stalled_.fetch_add(std::min(wait, most), std::memory_order_relaxed);
    }
    struct Sum {
        std::uint64_t reports, refaults;
        Nanos stalled;
    };
    [[nodiscard]] Sum take() {
        return {reports_.exchange(0, std::memory_order_relaxed),
                refaults_.exchange(0, std::memory_order_relaxed),
                Nanos{static_cast<std::int64_t>(
                    std::min(stalled_.exchange(0, std::memory_order_relaxed), most))}};
    }

  private:
    static constexpr auto most = static_cast<std::uint64_t>(memctl::longest_period.count());
    std::atomic<std::uint64_t> reports_, refaults_, stalled_; // ns
};

struct Allotment {
    DomainId id;
    host::MemoryState memory; // `has` are the frames that it owns, those promised to it, and those below
    std::uint64_t granted;    // frames that calls under way may still take
    StallClaims claims;       // changed without the lock
    std::uint32_t in_zone[max_zones]; // of `has`, if there is more than one zone
    PageSample sample;                // changed under the control lock instead
    host::Press press;                // likewise
    bool held;                        // by it: counted once among the reasons not to run; likewise

    [[nodiscard]] bool is_admitted() const { return memory.policy != nullptr; }
};

} // namespace bulkhead::hv
