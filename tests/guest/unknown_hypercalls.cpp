// Numbers without a call give ENOSYS, also absurd ones, and nothing else happens.
#include "guest/runtime/hypercall.hpp"
#include "tests/guest/test.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

static long by_number(std::uint64_t number) {
    long result = static_cast<long>(number);
    asm volatile("syscall" : "+a"(result) : "D"(0), "S"(0), "d"(0) : "rcx", "r11", "memory", "cc");
    return result;
}

GUEST_TEST(unknown_hypercalls, "numbers without a call are refused") {
    for (const std::uint64_t number :
         {11ull, 43ull, 47ull, 63ull, 64ull, 127ull, 1ull << 20, 1ull << 31, ~0ull})
        check(by_number(number) == -XEN_ENOSYS, "call {} gave {}", number, by_number(number));
}
