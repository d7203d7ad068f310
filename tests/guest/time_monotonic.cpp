// System time never runs backwards, moves on, and agrees with the hypervisor's own idea of now when a timer
// fires.
#include "guest/runtime/clock.hpp"
#include "guest/runtime/schedule.hpp"
#include "guest/runtime/start.hpp"
#include "tests/guest/test.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

GUEST_TEST(time_monotonic, "system time and wall clock only move forward") {
    const GuestTime first = now();
    const Nanos wall_first = wall_clock();
    GuestTime last = first;
    for (int i = 0; i < 20'000; ++i) {
        if (i % 1000 == 0)
            yield();
        const GuestTime here = now();
        check(here >= last, "time went back by {} ns", last - here);
        last = here;
    }
    check(last > first, "time stands still");
    check(last - first < milliseconds(60'000), "time ran {} ns", last - first);
    const Nanos wall = wall_clock() - wall_first;
    check(wall >= last - first && wall < last - first + milliseconds(1000), "the wall clock moved {} ns",
          wall);
    const auto& time = shared().vcpu_info[0].time;
    check((time.version & 1) == 0 && time.version != 0, "the time record's version is {}", time.version);
    check(time.tsc_to_system_mul != 0, "the time record has no scale");
}
