// Theft of service from a scheduler that bills by sampling: run until just before each tick, sleep over it,
// so that the tick always finds another vCPU. The idea is from Zhou et al., "Scheduler vulnerabilities and
// attacks in cloud computing" (2011).
#include "guest/runtime/mark.hpp"
#include "guest/runtime/print.hpp"
#include "workloads/work.hpp"
#include "workloads/workload.hpp"

#include <array>

namespace bulkhead::workload {
namespace {

constexpr Option tick_us{"tick_us", "us", "10000", "period of the tick to dodge"};
constexpr Option phase_us{"phase_us", "us", "0",
                          "ticks are at multiples of the period of system time, plus this"};
constexpr Option guard_us{"guard_us", "us", "200", "stop this long before the tick"};
constexpr Option after_us{"after_us", "us", "50", "wake this long after the tick"};
constexpr Option learn_ms{"learn_ms", "ms", "0",
                          "first watch for this long when the CPU is taken away, and use that phase"};
constexpr Option options_[] = {tick_us, phase_us, guard_us, after_us, learn_ms};

// Where in the period the CPU was taken away most often: an attacker without knowledge of the host runs and
// watches its clock for jumps.
Nanos learn_phase(Nanos period, Nanos length) {
    constexpr std::size_t buckets = 100;
    constexpr Nanos jump = bulkhead::microseconds(100);
    std::array<std::uint32_t, buckets> taken{};
    const GuestTime end = guest::now() + length;
    for (GuestTime last = guest::now(); last < end;) {
        operation();
        const GuestTime here = guest::now();
        if (here - last > jump) {
            const std::int64_t offset = last.since_start().count() % period.count();
            const std::int64_t nearest =
                (offset * static_cast<std::int64_t>(buckets) + period.count() / 2) / period.count();
            ++taken[static_cast<std::size_t>(nearest) % buckets]; // the last look may be just before the tick
        }
        last = here;
    }
    std::size_t best = 0;
    for (std::size_t i = 1; i < buckets; ++i)
        if (taken[i] > taken[best])
            best = i;
    return taken[best] == 0 ? Nanos{0}
                            : period * static_cast<std::int64_t>(best) / static_cast<std::int64_t>(buckets);
}

GuestTime next_tick(GuestTime after, Nanos period, Nanos phase) {
    const std::int64_t ticks = (after - phase).since_start().count() / period.count() + 1;
    return GuestTime{ticks * period.count()} + phase;
}

void run() {
    const Nanos period = tick_us.microseconds();
    const Nanos guard = guard_us.microseconds();
    const Nanos after = after_us.microseconds();
    if (period <= guard)
        guest::panic("tick_dodger: guard_us must be below tick_us");
    const Nanos learning = learn_ms.milliseconds();
    const Nanos phase = learning > Nanos{0} ? learn_phase(period, learning) : phase_us.microseconds();
    std::uint64_t done = 0;
    while (!over()) {
        const GuestTime tick = next_tick(guest::now() + guard, period, phase);
        while (guest::now() < tick - guard) {
            operation();
            ++done;
        }
        guest::mark(guest::Mark::operations, done);
        const GuestTime asleep = guest::now();
        guest::sleep_until(tick + after);
        guest::mark(guest::Mark::slept, static_cast<std::uint64_t>((guest::now() - asleep).count()));
    }
    guest::mark(guest::Mark::finished, done);
    guest::print("RESULT name=tick_dodger ops={} phase_ns={} ns={}\n", done, phase, guest::now() - began());
}

constexpr Workload tick_dodger{Kind::attack, "tick_dodger",
                               "runs until just before each scheduler tick, then sleeps over it", options_,
                               run};
BULKHEAD_WORKLOAD(tick_dodger)

} // namespace
} // namespace bulkhead::workload
