// A guest that ends with its timers running: they end with it. What the machine's trace says about them is
// looked at from outside (tests/system).
#include "guest/runtime/clock.hpp"
#include "guest/runtime/hypercall.hpp"
#include "guest/runtime/schedule.hpp"
#include "tests/guest/test.hpp"

#include <xen/vcpu.h>

using namespace bulkhead;
using namespace bulkhead::guest_test;

GUEST_TEST_ALONE(shutdown_timers, "the timers of a guest end with it") {
    vcpu_set_periodic_timer period{.period_ns = 1'000'000};
    works(hypercall::vcpu_op(VCPUOP_set_periodic_timer, 0, &period), "set_periodic_timer");
    works(hypercall::set_timer(now() + milliseconds(5)), "set_timer_op");
    print("VERDICT shutdown_timers success unless another line follows\n");
    guest::shutdown(guest::Shutdown::crash);
}
