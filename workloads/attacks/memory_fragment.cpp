// Takes all the memory that it can get and gives every second frame back, over and over: what is free lies in
// single frames between its own. With `keep` it gives back all but one of so many frames: it has next to no
// memory, but a frame in each part of what it had.
#include "guest/runtime/clock.hpp"
#include "guest/runtime/mark.hpp"
#include "guest/runtime/print.hpp"
#include "workloads/paging.hpp"

namespace bulkhead::workload {
namespace {

constexpr Option keep{"keep", "1", "0", "keeps one frame of so many, always the same ones; 0: half of them"};
constexpr Option options_[] = {set_mib, swap_us, keep};

// Whether the page keeps its frame in this round.
bool stays(std::size_t page, std::uint64_t round) {
    return keep.number() != 0 ? page % keep.number() == 0 : page % 2 != round % 2;
}

void run() {
    PagedMemory memory;
    std::uint64_t rounds = 0;
    while (!over()) {
        for (std::size_t page = 0; page < memory.size() && !over(); ++page)
            memory.bring_in(page);
        for (std::size_t page = 0; page < memory.size() && !over(); ++page)
            if (!stays(page, rounds))
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
