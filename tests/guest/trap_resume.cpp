// A handler may change what was interrupted: every register it leaves alone survives, and the instruction
// pointer it sets is where the guest goes on.
#include "guest/runtime/traps.hpp"
#include "tests/guest/test.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

static bool skip_ud2(traps::Frame& frame) {
    frame.rip += 2;
    frame.rax += 1;
    return true;
}

GUEST_TEST(trap_resume, "a handler resumes where it wants, and registers survive a trap") {
    traps::on(traps::Vector::undefined, skip_ud2);
    Word a = 41;
    Word registers[4] = {};
#ifdef __i386__
    asm volatile("mov $0x1111, %%edx\n mov $0x2222, %%esi\n mov $0x3333, %%ecx\n mov $0x4444, %%edi\n"
                 "ud2\n"
                 "mov %%edx, 0(%[out])\n mov %%esi, 4(%[out])\n mov %%ecx, 8(%[out])\n"
                 "mov %%edi, 12(%[out])\n"
                 : "+a"(a)
                 : [out] "b"(registers)
                 : "edx", "esi", "ecx", "edi", "memory");
#else
    asm volatile(
        "mov $0x1111, %%r8\n mov $0x2222, %%r11\n mov $0x3333, %%rcx\n mov $0x4444, %%r15\n"
        "ud2\n"
        "mov %%r8, 0(%[out])\n mov %%r11, 8(%[out])\n mov %%rcx, 16(%[out])\n mov %%r15, 24(%[out])\n"
        : "+a"(a)
        : [out] "b"(registers)
        : "r8", "r11", "rcx", "r15", "memory");
#endif
    traps::on(traps::Vector::undefined, nullptr);
    check(a == 42, "rax is {}, not 42", a);
    check(registers[0] == 0x1111 && registers[1] == 0x2222 && registers[2] == 0x3333 &&
              registers[3] == 0x4444,
          "registers came back as {x} {x} {x} {x}", registers[0], registers[1], registers[2], registers[3]);
}
