// Software interrupts of user mode: the vectors that the trap table opens to ring 3 arrive; others are #GP
// with the error code n*8+2 (QEMU 7.2 shows n*16+2 to the hypervisor, which must see through it).
#include "guest/runtime/start.hpp"
#include "tests/guest/user_code.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

static void expect_refused(const char* first, const char* last, std::uint64_t vector) {
    user::Space space = make_space(first, last);
    const traps::Trap trap = trapped(space.run(0));
    check(trap.vector == traps::Vector::protection, "int {x}: trap {}", vector,
          static_cast<unsigned>(trap.vector));
    const bool right = trap.error == vector * 8 + 2;
    check(right || !on_bulkhead(), "int {x}: error code {x}", vector, trap.error);
    check(right || trap.error == vector * 16 + 2, "int {x}: error code {x}", vector, trap.error);
    check(trap.rip == user::code_base, "int {x}: reported at {x}", vector, trap.rip);
}

GUEST_TEST(user_interrupts, "int 0x80 and int3 of user mode arrive, other vectors are refused") {
    user::Space allowed = make_space(user_interrupt_first, user_interrupt_last);
    const user::Exit exit = ran(allowed.run(0));
    check(exit.cause == user::Exit::Cause::interrupt && exit.number == 7, "rax {x}", exit.number);
    check(exit.rip == user::code_base + 7, "the return address is {x}", exit.rip);

    user::Space breakpoint = make_space(user_breakpoint_first, user_breakpoint_last);
    const traps::Trap trap = trapped(breakpoint.run(0));
    check(trap.vector == traps::Vector::breakpoint && trap.rip == user::code_base + 1, "int3: trap {} at {x}",
          static_cast<unsigned>(trap.vector), trap.rip);

    expect_refused(user_int_other_first, user_int_other_last, 0x90);
    expect_refused(user_int_exception_first, user_int_exception_last, 0x0e);
}
