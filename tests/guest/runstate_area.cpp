// The registered runstate area: as true as what is asked for, also if the vCPU lost and got its pCPU while
// user mode ran, whose page tables do not map the area; and left alone once it was taken away.
#include "guest/runtime/clock.hpp"
#include "guest/runtime/hypercall.hpp"
#include "tests/guest/user_code.hpp"

#include <xen/vcpu.h>

using namespace bulkhead;
using namespace bulkhead::guest_test;

namespace {

constexpr std::uint64_t turns = 4'000'000; // of the loop, each at least two instructions
alignas(64) constinit vcpu_runstate_info area{};

vcpu_runstate_info asked() {
    vcpu_runstate_info info{};
    works(hypercall::vcpu_op(VCPUOP_get_runstate_info, 0, &info), "get_runstate_info");
    return info;
}

void place_area(vcpu_runstate_info* where) {
    vcpu_register_runstate_memory_area request{};
    request.addr.v = where;
    works(hypercall::vcpu_op(VCPUOP_register_runstate_memory_area, 0, &request), "registering the area");
}

} // namespace

GUEST_TEST(runstate_area, "the registered runstate is up to date whatever mode was running") {
    place_area(&area);
    check(area.state == RUNSTATE_running, "the new area says state {}", area.state);
    sleep(milliseconds(1));
    check(area.state_entry_time == asked().state_entry_time, "after sleep the area is not up to date");

    user::Space space = make_space(user_spin_first, user_spin_last);
    const auto before = asked().state_entry_time;
    check(ran(space.run(turns)).number == 5, "user mode came back wrongly");
    const auto told = area;
    const auto after = asked();
    place_area(nullptr);
    if (after.state_entry_time == before)
        skip("the vCPU kept its pCPU for the whole time");
    check(told.state_entry_time == after.state_entry_time && told.state == RUNSTATE_running,
          "the area says state {} since {}, asked for it is running since {}", told.state,
          told.state_entry_time, after.state_entry_time);
    check(told.time[RUNSTATE_runnable] == after.time[RUNSTATE_runnable], "the area misses {} ns of waiting",
          after.time[RUNSTATE_runnable] - told.time[RUNSTATE_runnable]);
    area = {};
    sleep(milliseconds(1));
    check(area.state_entry_time == 0, "an area that was taken away is still written");
}
