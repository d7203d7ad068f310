// Lets all vCPUs of the domain sleep until the same instants, multiples of a period: every vCPU of every such
// guest is due at once.
#include "guest/runtime/clock.hpp"
#include "guest/runtime/events.hpp"
#include "guest/runtime/hypercall.hpp"
#include "guest/runtime/mark.hpp"
#include "guest/runtime/print.hpp"
#include "guest/runtime/vcpus.hpp"
#include "workloads/workload.hpp"

namespace bulkhead::workload {
namespace {

constexpr Option period_us{"period_us", "us", "10000", "time between two instants"};
constexpr Option options_[] = {period_us};

constinit Nanos period{};

// By SCHEDOP_poll, which a vCPU without an upcall handler may call.
void sleep_until_next() {
    const std::int64_t passed = guest::now().since_start().count() / period.count();
    sched_poll poll{};
    poll.timeout = static_cast<std::uint64_t>((passed + 1) * period.count());
    static_cast<void>(guest::hypercall::sched_op(SCHEDOP_poll, &poll));
}

[[noreturn]] void sleep_for_ever() {
    for (;;)
        sleep_until_next();
}

void run() {
    period = period_us.microseconds();
    if (period <= Nanos{0})
        guest::panic("timeout_flood: period_us must be above 0");
    for (std::uint16_t i = 1; i < guest::vcpu_count(); ++i)
        if (!guest::start_vcpu(VcpuId{i}, sleep_for_ever))
            guest::panic("timeout_flood: a vCPU does not start");
    const guest::events::Masked no_upcalls;
    std::uint64_t done = 0;
    while (!over()) {
        sleep_until_next();
        guest::mark(guest::Mark::operations, ++done);
    }
    guest::mark(guest::Mark::finished, done);
    guest::print("RESULT name=timeout_flood timeouts={} ns={}\n", done, guest::now() - began());
}

constexpr Workload timeout_flood{Kind::attack, "timeout_flood",
                                 "lets all its vCPUs sleep until the same instants", options_, run};
BULKHEAD_WORKLOAD(timeout_flood)

} // namespace
} // namespace bulkhead::workload
