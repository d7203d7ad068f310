// A real-time task: works for a fixed time at each multiple of its period, and marks when each job was due,
// when it began and when it was done. What it loses to others is how late it begins, and deadlines (its next
// release).
#include "guest/runtime/events.hpp"
#include "guest/runtime/hypercall.hpp"
#include "guest/runtime/mark.hpp"
#include "guest/runtime/print.hpp"
#include "workloads/histogram.hpp"
#include "workloads/work.hpp"
#include "workloads/workload.hpp"

namespace bulkhead::workload {
namespace {

constexpr Option period_us{"period_us", "us", "1000", "time between two releases"};
constexpr Option work_us{"work_us", "us", "50", "CPU time that each release needs, at 4 ns per instruction"};
constexpr Option phase_ns{"phase_ns", "ns", "0", "shift of all releases against multiples of the period"};
constexpr Option options_[] = {period_us, work_us, phase_ns};

constexpr std::uint64_t iteration_ns = 16; // of work()

constinit Histogram start_latency{};

// By SCHEDOP_poll: no upcall lies between the wake and the job.
void wait_until(GuestTime release) {
    const guest::events::Masked no_upcalls;
    sched_poll poll{};
    poll.timeout = static_cast<std::uint64_t>(release.since_start().count());
    while (guest::now() < release)
        static_cast<void>(guest::hypercall::sched_op(SCHEDOP_poll, &poll));
}

void run() {
    const Nanos period = period_us.microseconds();
    if (period <= Nanos{0})
        guest::panic("periodic: period_us must be above 0");
    const std::uint64_t iterations = work_us.number() * 1'000 / iteration_ns;
    const std::int64_t passed = guest::now().since_start().count() / period.count();
    GuestTime release = GuestTime{(passed + 1) * period.count()} + phase_ns.nanoseconds();
    std::uint64_t job = 0, missed = 0;
    for (; !over(); ++job) {
        guest::mark(guest::Mark::deadline, static_cast<std::uint64_t>(release.since_start().count()));
        wait_until(release);
        guest::mark(guest::Mark::request_seen, job);
        start_latency.add(guest::now() - release);
        work(iterations);
        guest::mark(guest::Mark::response_sent, job);
        release += period;
        missed += guest::now() > release ? 1u : 0u;
    }
    guest::mark(guest::Mark::finished, job);
    guest::print(
        "RESULT name=periodic jobs={} missed={} start_p50_ns={} start_p99_ns={} start_max_ns={} ns={}\n", job,
        missed, start_latency.percentile(500), start_latency.percentile(990), start_latency.max(),
        guest::now() - began());
}

constexpr Workload periodic{Kind::victim, "periodic", "works for a fixed time at each multiple of its period",
                            options_, run};
BULKHEAD_WORKLOAD(periodic)

} // namespace
} // namespace bulkhead::workload
