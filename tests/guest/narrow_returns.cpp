// IRET and far RET within ring 1, which the processor carries out by itself, and to ring 0, which it refuses.
#include "guest/runtime/traps.hpp"
#include "tests/guest/test.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

namespace {

bool iret_to_self() {
    Word before = 0, after = 0;
    asm volatile("mov %%esp, %0\n\t"
                 "pushf\n\t"
                 "push %%cs\n\t"
                 "push $1f\n\t"
                 "iret\n"
                 "1: mov %%esp, %1"
                 : "=&r"(before), "=&r"(after)
                 :
                 : "memory", "cc");
    return before == after;
}

bool far_return_to_self() {
    Word before = 0, after = 0;
    asm volatile("mov %%esp, %0\n\t"
                 "push %%cs\n\t"
                 "push $1f\n\t"
                 "lret\n"
                 "1: mov %%esp, %1"
                 : "=&r"(before), "=&r"(after)
                 :
                 : "memory");
    return before == after;
}

void iret_to_ring_0() {
    asm volatile("mov %%esp, %%ecx\n\t"
                 "pushf\n\t"
                 "push $8\n\t"
                 "push $1f\n\t"
                 "iret\n"
                 "1: mov %%ecx, %%esp"
                 :
                 :
                 : "ecx", "memory", "cc");
}

} // namespace

GUEST_TEST(narrow_returns, "IRET and far RET return within ring 1, and not to ring 0") {
    check(iret_to_self(), "iret left the stack pointer elsewhere");
    check(far_return_to_self(), "lret left the stack pointer elsewhere");
    const auto trap = traps::probe([] { iret_to_ring_0(); });
    check(trap.has_value() && trap->vector == traps::Vector::protection && trap->error == 8,
          "iret to ring 0 did not raise #GP(8)");
}
