// Sets deadlines that are past or very near and blocks on each: timer interrupts and wake-ups at the highest
// rate.
#include "guest/runtime/events.hpp"
#include "guest/runtime/hypercall.hpp"
#include "guest/runtime/mark.hpp"
#include "guest/runtime/print.hpp"
#include "workloads/workload.hpp"

namespace bulkhead::workload {
namespace {

constexpr Option ahead_us{"ahead_us", "us", "0", "how far ahead each deadline is; 0 for one in the past"};
constexpr Option mark_timers{"mark_timers", "1", "1000", "deadlines between two marks"};
constexpr Option options_[] = {ahead_us, mark_timers};

void run() {
    const Nanos ahead = ahead_us.number() == 0 ? Nanos{-1} : ahead_us.microseconds();
    const std::uint64_t step = mark_timers.number();
    std::uint64_t done = 0;
    while (!over()) {
        for (std::uint64_t i = 0; i < step; ++i)
            guest::events::wait_any(guest::now() + ahead);
        done += step;
        guest::mark(guest::Mark::operations, done);
    }
    guest::mark(guest::Mark::finished, done);
    guest::print("RESULT name=timer_storm timers={} ns={}\n", done, guest::now() - began());
}

constexpr Workload timer_storm{Kind::attack, "timer_storm", "blocks on deadlines that are past or very near",
                               options_, run};
BULKHEAD_WORKLOAD(timer_storm)

} // namespace
} // namespace bulkhead::workload
