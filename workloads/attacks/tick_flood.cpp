// Gives every vCPU of the domain but the first a periodic timer, and starts none of them: the ticks are work
// for vCPUs that never run.
#include "guest/runtime/clock.hpp"
#include "guest/runtime/events.hpp"
#include "guest/runtime/hypercall.hpp"
#include "guest/runtime/mark.hpp"
#include "guest/runtime/print.hpp"
#include "guest/runtime/vcpus.hpp"
#include "workloads/workload.hpp"

namespace bulkhead::workload {
namespace {

constexpr Option period_us{"period_us", "us", "1000", "period of each timer"};
constexpr Option options_[] = {period_us};

// Each vCPU's timer event has a port, as a kernel that is about to start the vCPU would bind it.
void give_ticks(std::uint16_t vcpu) {
    evtchn_bind_virq bind{.virq = VIRQ_TIMER, .vcpu = vcpu, .port = 0};
    vcpu_set_periodic_timer timer{.period_ns = static_cast<std::uint64_t>(period_us.microseconds().count())};
    if (!guest::hypercall::event_channel_op(EVTCHNOP_bind_virq, &bind) ||
        !guest::hypercall::vcpu_op(VCPUOP_set_periodic_timer, vcpu, &timer))
        guest::panic("tick_flood: a vCPU gets no periodic timer");
    guest::events::unmask(Port{bind.port});
}

void run() {
    const std::uint16_t count = guest::vcpu_count();
    for (std::uint16_t i = 1; i < count; ++i)
        give_ticks(i);
    guest::mark(guest::Mark::operations, count - 1u);
    while (!over())
        guest::events::wait_any(ends());
    guest::mark(guest::Mark::finished, count - 1u);
    guest::print("RESULT name=tick_flood timers={} ns={}\n", count - 1, guest::now() - began());
}

constexpr Workload tick_flood{Kind::attack, "tick_flood",
                              "gives vCPUs that it never starts periodic timers, and sleeps", options_, run};
BULKHEAD_WORKLOAD(tick_flood)

} // namespace
} // namespace bulkhead::workload
