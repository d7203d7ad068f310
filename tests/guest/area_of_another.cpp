// The runstate area of a vCPU that another one registered: before it is up, and again while it runs. Both are
// written, in time.
#include "guest/runtime/clock.hpp"
#include "guest/runtime/hypercall.hpp"
#include "guest/runtime/vcpus.hpp"
#include "tests/guest/test.hpp"

#include <xen/vcpu.h>

using namespace bulkhead;
using namespace bulkhead::guest_test;

namespace {

alignas(64) constinit vcpu_runstate_info early{}, late{};
constinit volatile bool is_up = false;

void spin() {
    is_up = true;
    for (;;)
        asm volatile("pause");
}

void place_area(vcpu_runstate_info* where) {
    vcpu_register_runstate_memory_area request{};
    request.addr.v = where;
    works(hypercall::vcpu_op(VCPUOP_register_runstate_memory_area, 1, &request), "registering the area");
}

// One pCPU is all they have: the other vCPU runs whenever this one sleeps, and its area says so each time.
void is_kept(const vcpu_runstate_info& area, std::string_view what) {
    for (int i = 0; i < 5; ++i)
        sleep(milliseconds(1));
    check(area.state == RUNSTATE_running, "{} says state {}", what, area.state);
    check(area.time[RUNSTATE_running] > 1'000'000, "{} says that it ran for {} ns", what,
          area.time[RUNSTATE_running]);
    const auto before = area.state_entry_time;
    sleep(milliseconds(1));
    check(area.state_entry_time > before, "{} is not kept up to date", what);
}

} // namespace

GUEST_TEST_ALONE(area_of_another, "a vCPU's runstate area may be registered by another vCPU, early or late") {
    if (vcpu_count() < 2)
        skip("this domain has one vCPU");
    place_area(&early);
    works(start_vcpu(VcpuId{1}, spin), "starting vCPU 1");
    is_kept(early, "the area of before it was up");
    check(is_up, "vCPU 1 does not run");
    place_area(&late);
    is_kept(late, "the area of while it ran");
}
