// An application that sets the trap flag is stepped: its kernel gets a #DB behind each instruction, and the
// application goes on from there.
#include "tests/guest/user_code.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

GUEST_TEST(user_steps, "user mode is stepped through by the trap flag") {
    user::Space space = make_space(user_stepped_first, user_stepped_last);
    user::Exit exit = ran(space.run(9));
    for (Word step = 0; step < 3; ++step) {
        check(exit.cause == user::Exit::Cause::trap && exit.trap->vector == traps::Vector::debug,
              "step {} came as {}", step, static_cast<unsigned>(exit.cause));
        check(exit.rip == user::code_base + user_stepped_start + step, "step {} ended at {x}", step,
              exit.rip);
        exit = ran(space.resume(6)); // the number of the call that follows
    }
    check(exit.cause == call_of_user && exit.number == 6 && exit.argument == 9,
          "the call came as {}, rax {x} rdi {x}", static_cast<unsigned>(exit.cause), exit.number,
          exit.argument);
}
