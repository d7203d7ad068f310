// stack_switch: a trap out of user mode lands on the stack that the kernel named last.
#include "guest/runtime/hypercall.hpp"
#include "tests/guest/user_code.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

static constinit std::uint64_t frame_address = 0;

static bool note_and_skip(traps::Frame& frame) {
    frame_address = hypercall::address(&frame);
    frame.rip += 2;
    return true;
}

// Where the frame of a trap lies: in the kernel it is the interrupted stack, which must not be the one named
// for user mode.
GUEST_TEST(stack_switch, "traps out of user mode use the stack named by stack_switch") {
    Page* const stack = allocate_pages(2);
    const std::uint64_t top = hypercall::address(stack + 2);
    works(hypercall::stack_switch(FLAT_KERNEL_SS, top), "naming a stack");
    user::Space space = make_space(user_syscall_first, user_syscall_last);
    const user::Exit exit = ran(space.run(5));
    check(exit.number == 1 && exit.argument == 5, "rax {x} rdi {x}", exit.number, exit.argument);
    const auto* const words = reinterpret_cast<const Word*>(stack);
    bool used = false;
    for (std::size_t i = 0; i < 2 * page_bytes / sizeof(Word); ++i)
        used = used || words[i] == exit.rip;
    check(used, "the user's return address is not on the named stack");

    traps::on(traps::Vector::undefined, note_and_skip);
    asm volatile("ud2" : : : "memory");
    check(frame_address < hypercall::address(stack) || frame_address >= top,
          "a trap in the kernel changed the stack");
    // The pages stay the kernel's stack: nothing else knows the old one.
}
