// Takes all the memory that it can get, once, and does not use it. A stubborn one does not listen to its
// balloon either.
#include "guest/runtime/clock.hpp"
#include "guest/runtime/events.hpp"
#include "guest/runtime/mark.hpp"
#include "guest/runtime/print.hpp"
#include "workloads/paging.hpp"

namespace bulkhead::workload {
namespace {

constexpr Option options_[] = {set_mib, stubborn, swap_us};

void run() {
    PagedMemory memory;
    for (std::size_t page = 0; page < memory.size(); ++page)
        memory.bring_in(page);
    guest::mark(guest::Mark::operations, memory.size());
    while (!over()) {
        while (stubborn.number() == 0 && memory.follow_target()) {
        }
        guest::events::wait_any(ends());
    }
    guest::mark(guest::Mark::finished, memory.size());
    guest::print("RESULT name=memory_hoard pages={}\n", memory.size());
}

constexpr Workload memory_hoard{Kind::attack, "memory_hoard", "takes memory and does not use it", options_,
                                run};
BULKHEAD_WORKLOAD(memory_hoard)

} // namespace
} // namespace bulkhead::workload
