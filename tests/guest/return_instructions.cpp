// IRET and far RET work inside the guest's own ring, as kernels use them to serialise or to change a
// selector, and a frame that asks for more privilege is refused.
#include "guest/runtime/traps.hpp"
#include "tests/guest/test.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

static bool iret_to_self() {
    std::uint64_t before = 0, after = 0;
    asm volatile("mov %%rsp, %0\n\t"
                 "mov %%ss, %%eax\n\t"
                 "push %%rax\n\t"
                 "push %0\n\t"
                 "pushfq\n\t"
                 "mov %%cs, %%eax\n\t"
                 "push %%rax\n\t"
                 "lea 1f(%%rip), %%rax\n\t"
                 "push %%rax\n\t"
                 "iretq\n"
                 "1: mov %%rsp, %1"
                 : "=&r"(before), "=&r"(after)
                 :
                 : "rax", "memory", "cc");
    return before == after;
}

static bool far_return_to_self() {
    std::uint64_t before = 0, after = 0;
    asm volatile("mov %%rsp, %0\n\t"
                 "mov %%cs, %%eax\n\t"
                 "push %%rax\n\t"
                 "lea 1f(%%rip), %%rax\n\t"
                 "push %%rax\n\t"
                 "lretq\n"
                 "1: mov %%rsp, %1"
                 : "=&r"(before), "=&r"(after)
                 :
                 : "rax", "memory");
    return before == after;
}

static void iret_to_ring_0() {
    asm volatile("mov %%rsp, %%rcx\n\t"
                 "mov %%ss, %%eax\n\t"
                 "push %%rax\n\t"
                 "push %%rcx\n\t"
                 "pushfq\n\t"
                 "push $8\n\t"
                 "lea 1f(%%rip), %%rax\n\t"
                 "push %%rax\n\t"
                 "iretq\n"
                 "1: mov %%rcx, %%rsp"
                 :
                 :
                 : "rax", "rcx", "memory", "cc");
}

GUEST_TEST(return_instructions, "IRET and far RET return within the guest's ring, and not to ring 0") {
    check(iret_to_self(), "iretq left the stack pointer elsewhere");
    check(far_return_to_self(), "lretq left the stack pointer elsewhere");
    const auto trap = traps::probe([] { iret_to_ring_0(); });
    check(trap.has_value() && trap->vector == traps::Vector::protection && trap->error == 8,
          "iretq to ring 0 did not raise #GP(8)");
}
