// Uses the pages of a working set at random. From `grow_ms` on the set is `set_mib`, before that a sixteenth.
// Gives back what its balloon is asked for, unless it is stubborn. What it loses to others is how many pages
// it uses.
#include "guest/runtime/clock.hpp"
#include "guest/runtime/mark.hpp"
#include "guest/runtime/print.hpp"
#include "workloads/paging.hpp"
#include "workloads/random.hpp"
#include "workloads/work.hpp"

#include <algorithm>

namespace bulkhead::workload {
namespace {

constexpr Option grow_ms{"grow_ms", "ms", "0", "until then it uses a sixteenth of that"};
constexpr Option work_us{"work_us", "us", "20", "CPU time for each page that it uses"};
constexpr Option mark_ops{"mark_ops", "1", "100", "pages used between two marks"};
constexpr Option options_[] = {set_mib, grow_ms, work_us, mark_ops, stubborn, swap_us};

constexpr std::uint64_t iteration_ns = 16; // of work()

void run() {
    PagedMemory memory;
    Random chance{1};
    const GuestTime grows = guest::now() + grow_ms.milliseconds();
    const std::uint64_t iterations = work_us.number() * 1'000 / iteration_ns;
    const std::uint64_t step = std::max<std::uint64_t>(mark_ops.number(), 1);
    const bool listens = stubborn.number() == 0;
    std::uint64_t done = 0;
    while (!over()) {
        if (listens)
            static_cast<void>(memory.follow_target());
        const std::size_t set =
            guest::now() < grows ? std::max<std::size_t>(memory.size() / 16, 1) : memory.size();
        memory.touch(chance.below(set));
        work(iterations);
        if (++done % step == 0)
            guest::mark(guest::Mark::operations, done);
    }
    guest::mark(guest::Mark::finished, done);
    guest::print("RESULT name=memory pages={} ns={}\n", done, guest::now() - began());
}

constexpr Workload memory{Kind::victim, "memory", "uses the pages of a working set at random", options_, run};
BULKHEAD_WORKLOAD(memory)

} // namespace
} // namespace bulkhead::workload
