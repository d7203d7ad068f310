// An iret in a multicall is performed and ends the list: the kernel goes on where the frame on its stack
// says, with the frame's rax, and the entries behind it are left alone.
#include "guest/runtime/hypercall.hpp"
#include "tests/guest/test.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

// The multicall with the frame of an iret on the stack, whose rip is the instruction behind; the frame has
// 0x1111 for rax.
#ifdef __i386__
static Word call_with_frame(std::span<multicall_entry> calls) {
    Word rax = __HYPERVISOR_multicall;
    asm volatile("mov %%esp, %%esi\n\t"
                 "pushf\n\t"
                 "orl $0x200, (%%esp)\n\t"
                 "push %[cs]\n\t"
                 "push $1f\n\t"
                 "push $0x1111\n\t" // eax
                 "int $0x82\n\t"
                 "mov %%esi, %%esp\n\t"
                 "1:"
                 : "+a"(rax)
                 : "b"(calls.data()), "c"(calls.size()), [cs] "i"(FLAT_KERNEL_CS)
                 : "esi", "memory", "cc");
    return rax;
}
#else
static Word call_with_frame(std::span<multicall_entry> calls) {
    Word rax = __HYPERVISOR_multicall;
    asm volatile("mov %%rsp, %%rbx\n\t"
                 "sub $128, %%rsp\n\t" // beyond the red zone
                 "push %[ss]\n\t"
                 "push %%rbx\n\t"
                 "pushfq\n\t"
                 "orq $0x200, (%%rsp)\n\t"
                 "push %[cs]\n\t"
                 "lea 1f(%%rip), %%r10\n\t"
                 "push %%r10\n\t"
                 "push $0\n\t"      // flags
                 "push $0x3333\n\t" // rcx
                 "push $0x2222\n\t" // r11
                 "push $0x1111\n\t" // rax
                 "syscall\n\t"
                 "mov %%rbx, %%rsp\n\t"
                 "1:"
                 : "+a"(rax)
                 : "D"(calls.data()),
                   "S"(calls.size()), [ss] "r"(Word{FLAT_KERNEL_SS}), [cs] "r"(Word{FLAT_KERNEL_CS & ~3})
                 : "rbx", "rcx", "r10", "r11", "memory", "cc");
    return rax;
}
#endif

GUEST_TEST(multicall_iret, "an iret ends a multicall") {
    constexpr xen_ulong_t untouched = 77;
    std::array<multicall_entry, 3> calls{};
    calls[0].op = calls[2].op = __HYPERVISOR_xen_version;
    calls[1].op = __HYPERVISOR_iret;
    calls[2].result = untouched;
    const Word rax = call_with_frame(calls);
    const auto version = hypercall::xen_version(XENVER_version, nullptr).value_or(-1);
    check(rax == 0x1111, "rax is {x} instead of the frame's", rax);
    check(static_cast<long>(calls[0].result) == version, "the entry before it gave {}", calls[0].result);
    check(calls[1].result == 0x1111, "its own result is {x}", calls[1].result);
    check(calls[2].result == untouched, "the entry behind it gave {}", calls[2].result);
}
