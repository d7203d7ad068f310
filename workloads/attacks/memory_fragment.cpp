// Takes all the memory that it can get and gives every second frame back, over and over: what is free lies in
// single frames between its own. With `keep` it gives back all but one of so many machine frames, which a
// paravirtual guest knows by their numbers: it has next to no memory, but a frame in each extent that it had.
#include "guest/runtime/clock.hpp"
#include "guest/runtime/mark.hpp"
#include "guest/runtime/print.hpp"
#include "workloads/paging.hpp"

#include <bitset>

namespace bulkhead::workload {
namespace {

constexpr Option keep{"keep", "1", "0", "keeps one frame of so many machine frames; 0: half of its pages"};
constexpr Option options_[] = {set_mib, swap_us, keep};

// The extents of `keep` frames in which it has kept a frame: 2^16 of 512 frames are 128 GiB. Of two extents
// with the same place here the second one is given back whole.
using Extents = std::bitset<std::size_t{1} << 16>;

// Whether this frame is the first one seen of its extent.
bool is_first(Extents& kept, Mfn frame) {
    const std::size_t extent = frame.value() / keep.number() % kept.size();
    const bool first = !kept[extent];
    kept[extent] = true;
    return first;
}

void give_back(PagedMemory& memory, std::uint64_t round) {
    static Extents kept;
    kept.reset();
    for (std::size_t page = 0; page < memory.size() && !over(); ++page) {
        const auto frame = memory.frame(page);
        if (frame && !(keep.number() != 0 ? is_first(kept, *frame) : page % 2 != round % 2))
            memory.drop(page);
    }
}

void run() {
    PagedMemory memory;
    std::uint64_t rounds = 0;
    while (!over()) {
        for (std::size_t page = 0; page < memory.size() && !over(); ++page)
            memory.bring_in(page);
        give_back(memory, rounds);
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
