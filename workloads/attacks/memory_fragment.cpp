// Takes all the memory that it can get and gives every second frame back, over and over: what is free lies in
// single frames between its own.
#include "guest/runtime/clock.hpp"
#include "guest/runtime/mark.hpp"
#include "guest/runtime/print.hpp"
#include "workloads/paging.hpp"

namespace bulkhead::workload {
namespace {

constexpr Option options_[] = {set_mib, swap_us};

void run() {
    PagedMemory memory;
    std::uint64_t rounds = 0;
    while (!over()) {
        for (std::size_t page = 0; page < memory.size() && !over(); ++page)
            memory.bring_in(page);
        for (std::size_t page = rounds % 2; page < memory.size() && !over(); page += 2)
            memory.drop(page);
        guest::mark(guest::Mark::operations, ++rounds);
    }
    guest::mark(guest::Mark::finished, rounds);
    guest::print("RESULT name=memory_fragment rounds={}\n", rounds);
}

constexpr Workload memory_fragment{Kind::attack, "memory_fragment",
                                   "takes memory and gives every second frame back, over and over", options_,
                                   run};
BULKHEAD_WORKLOAD(memory_fragment)

} // namespace
} // namespace bulkhead::workload
