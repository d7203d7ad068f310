// VCPUOP: is_up, runstate (asked for and registered), the one-shot timer, and refusals for vCPUs that are not
// there.
#include "guest/runtime/clock.hpp"
#include "guest/runtime/events.hpp"
#include "guest/runtime/hypercall.hpp"
#include "tests/guest/test.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

GUEST_TEST(vcpu_operations, "state, runstate and one-shot timer of a vCPU") {
    check(works(hypercall::vcpu_op(VCPUOP_is_up, 0, nullptr), "is_up") == 1, "this vCPU is not up");
    refused(hypercall::vcpu_op(VCPUOP_is_up, 500, nullptr), Error::no_entry, "is_up of vCPU 500");
    refused(hypercall::vcpu_op(99, 0, nullptr), Error::no_such_call, "an unknown command");

    vcpu_runstate_info before{};
    works(hypercall::vcpu_op(VCPUOP_get_runstate_info, 0, &before), "get_runstate_info");
    check(before.state == RUNSTATE_running, "this vCPU is in state {}", before.state);
    spin_until(now() + milliseconds(2));
    sleep(milliseconds(3));
    vcpu_runstate_info after{};
    works(hypercall::vcpu_op(VCPUOP_get_runstate_info, 0, &after), "get_runstate_info");
    const std::uint64_t ran = after.time[RUNSTATE_running] - before.time[RUNSTATE_running];
    const std::uint64_t blocked = after.time[RUNSTATE_blocked] - before.time[RUNSTATE_blocked];
    check(ran >= 1'500'000, "ran 2 ms, the runstate says {} ns", ran);
    check(blocked >= 2'500'000, "slept 3 ms, the runstate says {} ns", blocked);
    std::uint64_t sum = 0;
    for (const std::uint64_t time : after.time)
        sum += time;
    check(sum <= static_cast<std::uint64_t>(now().since_start().count()) + 1'000'000,
          "the states sum up to {} ns", sum);

    const std::uint64_t upcalls = events::upcalls();
    vcpu_set_singleshot_timer timer{};
    timer.timeout_abs_ns = static_cast<std::uint64_t>((now() + microseconds(500)).since_start().count());
    works(hypercall::vcpu_op(VCPUOP_set_singleshot_timer, 0, &timer), "set_singleshot_timer");
    spin_until(now() + milliseconds(2));
    check(events::upcalls() > upcalls, "the one-shot timer did not fire");
    works(hypercall::vcpu_op(VCPUOP_stop_singleshot_timer, 0, nullptr), "stop_singleshot_timer");
    works(hypercall::vcpu_op(VCPUOP_stop_periodic_timer, 0, nullptr), "stop_periodic_timer");
}
