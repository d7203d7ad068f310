// Uses the pages of its set at random for a while, sleeps for a while, and so on. It gives back what its
// balloon is asked for also while it sleeps, and takes the pages again when it needs them. What it loses to
// others is how many pages it uses while it is busy.
#include "guest/runtime/clock.hpp"
#include "guest/runtime/events.hpp"
#include "guest/runtime/mark.hpp"
#include "guest/runtime/print.hpp"
#include "workloads/paging.hpp"
#include "workloads/random.hpp"
#include "workloads/work.hpp"

#include <algorithm>

namespace bulkhead::workload {
namespace {

constexpr Option busy_ms{"busy_ms", "ms", "200", "how long it is busy, first of all"};
constexpr Option idle_ms{"idle_ms", "ms", "200", "how long it sleeps afterwards, and so on by turns"};
constexpr Option work_us{"work_us", "us", "20", "CPU time for each page that it uses"};
constexpr Option mark_ops{"mark_ops", "1", "100", "pages used between two marks"};
constexpr Option options_[] = {set_mib, busy_ms, idle_ms, work_us, mark_ops, stubborn, swap_us};

constexpr std::uint64_t iteration_ns = 16; // of work()

void run() {
    PagedMemory memory;
    Random chance{1};
    const Nanos busy = std::max(busy_ms.milliseconds(), milliseconds(1)), idle = idle_ms.milliseconds();
    const std::uint64_t iterations = work_us.number() * 1'000 / iteration_ns;
    const std::uint64_t step = std::max<std::uint64_t>(mark_ops.number(), 1);
    const bool listens = stubborn.number() == 0;
    GuestTime rests = guest::now() + busy;
    std::uint64_t done = 0;
    while (!over()) {
        if (listens)
            static_cast<void>(memory.follow_target());
        if (guest::now() >= rests) {
            const GuestTime resumes = rests + idle;
            while (guest::now() < resumes && !over()) {
                while (listens && memory.follow_target()) {
                }
                guest::events::wait_any(std::min(resumes, ends()));
            }
            rests = resumes + busy;
            continue;
        }
        memory.touch(chance.below(memory.size()));
        work(iterations);
        if (++done % step == 0)
            guest::mark(guest::Mark::operations, done);
    }
    guest::mark(guest::Mark::finished, done);
    guest::print("RESULT name=idle_then_busy pages={} ns={}\n", done, guest::now() - began());
}

constexpr Workload idle_then_busy{Kind::victim, "idle_then_busy",
                                  "uses its pages for a while and sleeps for a while, by turns", options_,
                                  run};
BULKHEAD_WORKLOAD(idle_then_busy)

} // namespace
} // namespace bulkhead::workload
