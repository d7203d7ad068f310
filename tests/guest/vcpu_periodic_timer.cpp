// The periodic timer: about as many ticks as periods while running, one event for all ticks missed while the
// vCPU sleeps (it wakes no vCPU), none after it is stopped, and no absurd period.
#include "guest/runtime/clock.hpp"
#include "guest/runtime/events.hpp"
#include "guest/runtime/hypercall.hpp"
#include "tests/guest/test.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

GUEST_TEST(vcpu_periodic_timer, "a periodic timer ticks until it is stopped") {
    vcpu_set_periodic_timer timer{.period_ns = 2'000'000};
    const auto set = hypercall::vcpu_op(VCPUOP_set_periodic_timer, 0, &timer);
    if (!set && set.error() == Error::no_such_call)
        skip("no periodic timer here");
    works(set, "a period of 2 ms");
    const std::uint64_t before = events::upcalls();
    spin_until(now() + milliseconds(21));
    const std::uint64_t ticks = events::upcalls() - before;
    const std::uint64_t awake = events::upcalls();
    sleep(milliseconds(41));
    const std::uint64_t woken = events::upcalls() - awake;
    works(hypercall::vcpu_op(VCPUOP_stop_periodic_timer, 0, nullptr), "stopping it");
    check(woken <= 4, "{} upcalls while the vCPU slept for 20 periods", woken);
    check(ticks >= 8 && ticks <= 13, "{} ticks in 21 ms of a 2 ms period", ticks);
    spin_until(now() + milliseconds(3)); // one may be on its way
    const std::uint64_t stopped = events::upcalls();
    spin_until(now() + milliseconds(10));
    check(events::upcalls() == stopped, "it ticks after it was stopped");
    timer.period_ns = 1;
    refused(hypercall::vcpu_op(VCPUOP_set_periodic_timer, 0, &timer), "a period of 1 ns");
}
