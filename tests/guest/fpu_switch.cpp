// fpu_taskswitch: with the flag set the next FPU instruction is #NM, once cleared (by the call or by clts) it
// runs; registers of the FPU survive blocking.
#include "guest/runtime/clock.hpp"
#include "guest/runtime/hypercall.hpp"
#include "guest/runtime/traps.hpp"
#include "tests/guest/test.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

GUEST_TEST(fpu_switch, "the task-switched flag works and FPU state survives blocking") {
    works(hypercall::fpu_taskswitch(true), "setting the flag");
    const auto trap = traps::probe([] { asm volatile("fninit"); });
    check(trap && trap->vector == traps::Vector::no_device, "an FPU instruction ran with the flag set");
    works(hypercall::fpu_taskswitch(false), "clearing the flag");
    check(!traps::probe([] { asm volatile("fninit"); }), "an FPU instruction trapped with the flag clear");
    works(hypercall::fpu_taskswitch(true), "setting it again");
    asm volatile("clts");
    const std::uint64_t value = 0x123456789abcdef0;
    std::uint64_t back = 0;
    asm volatile("movq %0, %%xmm5" : : "m"(value));
    sleep(milliseconds(2));
    asm volatile("movq %%xmm5, %0" : "=m"(back));
    check(back == value, "xmm5 came back as {x}", back);
}
