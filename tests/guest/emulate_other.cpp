// The other privileged instructions: wbinvd, clts and hlt work or fault cleanly; lgdt, lidt, ltr, invlpg and
// vmcall-like ones never take effect.
#include "guest/runtime/clock.hpp"
#include "guest/runtime/hypercall.hpp"
#include "guest/runtime/traps.hpp"
#include "tests/guest/test.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

static void expect_protection(const std::optional<traps::Trap>& trap, std::string_view what) {
    check(trap.has_value(), "{} was carried out", what);
    check(trap->vector == traps::Vector::protection || trap->vector == traps::Vector::undefined,
          "{}: trap {}", what, static_cast<unsigned>(trap->vector));
}

GUEST_TEST(emulate_other, "privileged instructions are emulated or refused, never run") {
    static_cast<void>(traps::probe([] { asm volatile("wbinvd" : : : "memory"); }));
    asm volatile("clts");
    const std::array<std::uint16_t, 5> nothing{};
    expect_protection(traps::probe([&] { asm volatile("lgdt %0" : : "m"(nothing)); }), "lgdt");
    expect_protection(traps::probe([&] { asm volatile("lidt %0" : : "m"(nothing)); }), "lidt");
    expect_protection(traps::probe([] { asm volatile("ltr %w0" : : "r"(0x8)); }), "ltr");
    expect_protection(traps::probe([] { asm volatile("lldt %w0" : : "r"(0x8)); }), "lldt");
#ifndef __i386__ // both have no form in 32 bits
    expect_protection(traps::probe([] { asm volatile("sysretq" : : : "rcx", "r11"); }), "sysret");
    expect_protection(traps::probe([] { asm volatile("swapgs"); }), "swapgs");
#endif
    works(hypercall::set_timer(now() + milliseconds(1)), "a timer");
    const auto halt = traps::probe([] { asm volatile("hlt"); });
    check(!halt || halt->vector == traps::Vector::protection, "hlt: trap {}",
          static_cast<unsigned>(halt->vector));
}
