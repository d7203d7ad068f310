// Gives a batch of frames back and takes them again, over and over.
#include "guest/runtime/clock.hpp"
#include "guest/runtime/mark.hpp"
#include "guest/runtime/print.hpp"
#include "workloads/paging.hpp"

#include <algorithm>

namespace bulkhead::workload {
namespace {

constexpr Option batch{"batch", "1", "256", "pages that it gives back and takes again"};
constexpr Option options_[] = {set_mib, batch, swap_us};

void run() {
    PagedMemory memory;
    const std::size_t frames = std::max<std::uint64_t>(batch.number(), 1);
    std::uint64_t rounds = 0;
    while (!over()) {
        for (std::size_t page = 0; page < memory.size() && !over(); ++page)
            memory.bring_in(page);
        memory.release(frames);
        guest::mark(guest::Mark::operations, ++rounds);
    }
    guest::mark(guest::Mark::finished, rounds);
    guest::print("RESULT name=memory_thrash rounds={}\n", rounds);
}

constexpr Workload memory_thrash{Kind::attack, "memory_thrash",
                                 "gives memory back and takes it again, over and over", options_, run};
BULKHEAD_WORKLOAD(memory_thrash)

} // namespace
} // namespace bulkhead::workload
