// fpu_taskswitch: with the flag set the next FPU instruction is #NM, once cleared (by the call or by clts) it
// runs; registers of the FPU survive blocking, and the hypervisor's own use of them.
#include "guest/runtime/clock.hpp"
#include "guest/runtime/hypercall.hpp"
#include "guest/runtime/paging.hpp"
#include "guest/runtime/traps.hpp"
#include "tests/guest/test.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

static void clears(Page& page, const char* when) {
    page.bytes[0] = page.bytes[page_bytes - 1] = std::byte{7};
    const auto cleared = hypercall::mmuext(MMUEXT_CLEAR_PAGE, mfn_of(&page).value());
    if (!cleared && cleared.error() == Error::no_such_call)
        return;
    works(cleared, when);
    check(page.bytes[0] == std::byte{0} && page.bytes[page_bytes - 1] == std::byte{0}, "{}: not clear", when);
}

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

    Page* const page = allocate_pages(1);
    asm volatile("movq %0, %%xmm0" : : "m"(value));
    clears(*page, "clearing a page");
    back = 0;
    asm volatile("movq %%xmm0, %0" : "=m"(back));
    check(back == value, "xmm0 came back as {x} from a call", back);
    works(hypercall::fpu_taskswitch(true), "setting the flag");
    clears(*page, "clearing a page with the flag set");
    works(hypercall::fpu_taskswitch(false), "clearing the flag");
    free_pages(page, 1);
}
