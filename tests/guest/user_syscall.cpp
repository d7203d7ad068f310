// A syscall of user mode arrives at the kernel's syscall callback with its registers; the kernel answers and
// user mode goes on where it was.
#include "tests/guest/user_code.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

GUEST_TEST(user_syscall, "user mode calls the kernel and goes on with its answer") {
    user::Space space = make_space(user_syscall_first, user_syscall_last);
    const user::Exit first = ran(space.run(0xabcd));
    check(first.cause == call_of_user, "not a syscall");
    check(first.number == 1 && first.argument == 0xabcd, "rax {x} rdi {x}", first.number, first.argument);
    const user::Exit second = ran(space.resume(99));
    check(second.cause == call_of_user && second.number == 2, "rax {x}", second.number);
    check(second.argument == 100, "the kernel's answer arrived as {}", second.argument - 1);
    const traps::Trap last = trapped(space.resume(0));
    check(last.vector == traps::Vector::undefined && last.rip > user::code_base, "trap {} at {x}",
          static_cast<unsigned>(last.vector), last.rip);
}
