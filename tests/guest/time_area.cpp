// The second copy of the time record, for clocks read in user mode: it says the same as the first, and goes
// away when asked.
#include "guest/runtime/clock.hpp"
#include "guest/runtime/hypercall.hpp"
#include "guest/runtime/start.hpp"
#include "tests/guest/test.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

alignas(64) static constinit vcpu_time_info second{};

GUEST_TEST(time_area, "the registered copy of the time record agrees with vcpu_info") {
    vcpu_register_time_memory_area area{};
    area.addr.v = &second;
    works(hypercall::vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0, &area), "registering the area");
    sleep(milliseconds(1));
    const auto& first = shared().vcpu_info[0].time;
    check(second.version != 0 && (second.version & 1) == 0, "the copy's version is {}", second.version);
    check(second.tsc_to_system_mul == first.tsc_to_system_mul && second.tsc_shift == first.tsc_shift,
          "the copy has another scale");
    check(second.flags == first.flags, "the copy's flags are {x}, not {x}", second.flags, first.flags);
    if ((first.flags & XEN_PVCLOCK_TSC_STABLE_BIT) != 0)
        check(second.tsc_timestamp == first.tsc_timestamp && second.system_time == first.system_time,
              "a stable clock has two origins");
    area.addr.v = nullptr;
    works(hypercall::vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0, &area), "taking the area away");
    second = {};
    sleep(milliseconds(1));
    check(second.version == 0, "an area that was taken away is still written");
}
