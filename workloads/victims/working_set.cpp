// Has frames for all pages of a set and uses them in a pattern. Marks each page that it uses, so that the
// trace holds the true working set of any window.
#include "guest/runtime/clock.hpp"
#include "guest/runtime/mark.hpp"
#include "guest/runtime/print.hpp"
#include "workloads/access_pattern.hpp"
#include "workloads/paging.hpp"
#include "workloads/work.hpp"

namespace bulkhead::workload {
namespace {

constexpr Option pattern{"pattern", "1", "0", "0: random, 1: in turn, 2: half of all uses on a sixteenth"};
constexpr Option work_us{"work_us", "us", "5", "CPU time for each page that it uses"};
constexpr Option options_[] = {set_mib, pattern, work_us, swap_us};

constexpr std::uint64_t iteration_ns = 16; // of work()

void run() {
    PagedMemory memory;
    for (std::size_t page = 0; page < memory.size(); ++page)
        memory.bring_in(page);
    AccessPattern uses{pattern.number(), memory.size()};
    const std::uint64_t iterations = work_us.number() * 1'000 / iteration_ns;
    std::uint64_t done = 0;
    while (!over()) {
        static_cast<void>(memory.follow_target());
        const std::size_t page = uses.next();
        memory.touch(page);
        guest::mark(guest::Mark::page_used, page);
        work(iterations);
        ++done;
    }
    guest::mark(guest::Mark::finished, done);
    guest::print("RESULT name=working_set pages={}\n", done);
}

constexpr Workload working_set{Kind::victim, "working_set", "uses the pages of a set in a pattern", options_,
                               run};
BULKHEAD_WORKLOAD(working_set)

} // namespace
} // namespace bulkhead::workload
