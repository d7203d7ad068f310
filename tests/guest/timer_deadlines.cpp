// set_timer_op: a deadline never fires early, one in the past fires at once, a later call replaces an earlier
// one, and 0 stops the timer.
#include "guest/runtime/clock.hpp"
#include "guest/runtime/events.hpp"
#include "guest/runtime/hypercall.hpp"
#include "tests/guest/test.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

GUEST_TEST(timer_deadlines, "timers fire at or after their deadline, once") {
    for (const std::int64_t ahead : {20, 100, 1000, 5000}) {
        const GuestTime deadline = now() + microseconds(ahead);
        const std::uint64_t before = events::upcalls();
        works(hypercall::set_timer(deadline), "set_timer");
        while (events::upcalls() == before)
            check(now() < deadline + milliseconds(1000), "the timer at {} us never fired", ahead);
        check(now() >= deadline, "the timer at {} us fired {} ns early", ahead, deadline - now());
    }
    std::uint64_t before = events::upcalls();
    works(hypercall::set_timer(now() - milliseconds(1)), "a deadline in the past");
    sleep(microseconds(100));
    check(events::upcalls() > before, "a deadline in the past never fired");

    works(hypercall::set_timer(now() + microseconds(200)), "a near deadline");
    works(hypercall::set_timer(now() + milliseconds(100)), "a far one instead");
    before = events::upcalls();
    spin_until(now() + milliseconds(5));
    check(events::upcalls() == before, "the replaced deadline fired");
    works(hypercall::set_timer(GuestTime{0}), "stopping the timer");
    before = events::upcalls();
    spin_until(now() + milliseconds(120));
    check(events::upcalls() == before, "a stopped timer fired");
}
