// An event that arrives while user mode runs reaches the kernel's handler at once, and user mode goes on as
// if nothing had been.
#include "guest/runtime/clock.hpp"
#include "guest/runtime/events.hpp"
#include "guest/runtime/hypercall.hpp"
#include "tests/guest/user_code.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

GUEST_TEST(user_preempted, "a timer event interrupts user mode without a trace") {
    user::Space space = make_space(user_spin_first, user_spin_last);
    const std::uint64_t before = events::upcalls();
    works(hypercall::set_timer(now() + milliseconds(1)), "a timer");
    const user::Exit exit = ran(space.run(2'000'000));
    check(events::upcalls() > before, "no upcall while user mode ran");
    check(exit.cause == call_of_user && exit.number == 5, "user mode came back with rax {x}", exit.number);
}
