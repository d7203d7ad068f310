// Numbers without a call give ENOSYS, also absurd ones, and nothing else happens.
#include "guest/runtime/hypercall.hpp"
#include "tests/guest/test.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

static long by_number(Word number) {
    long result = static_cast<long>(number);
#ifdef __i386__
    asm volatile("int $0x82" : "+a"(result) : "b"(0), "c"(0), "d"(0), "S"(0), "D"(0) : "memory", "cc");
#else
    asm volatile("syscall" : "+a"(result) : "D"(0), "S"(0), "d"(0) : "rcx", "r11", "memory", "cc");
#endif
    return result;
}

GUEST_TEST(unknown_hypercalls, "numbers without a call are refused") {
    for (const Word number : {Word{11}, Word{43}, Word{47}, Word{63}, Word{64}, Word{127}, Word{1} << 20,
                              Word{1} << 31, ~Word{0}})
        check(by_number(number) == -XEN_ENOSYS, "call {} gave {}", number, by_number(number));
}
