// The iret hypercall carries the event mask in the interrupt flag, and a context that asks for ring 0 does
// not get it.
#include "guest/runtime/events.hpp"
#include "guest/runtime/start.hpp"
#include "guest/runtime/traps.hpp"
#include "tests/guest/test.hpp"
#include "tests/guest/width.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

static bool set_masked(traps::Frame& frame) {
    frame.rip += 2;
    frame.rflags &= ~Word{0x200};
    return true;
}
static bool set_ring_0(traps::Frame& frame) {
    frame.rip += 2;
    frame.cs = 0x8;
    if constexpr (!is_narrow) // where the kernel's own frames end before it
        frame.ss = 0x10;
    frame.rflags |= 0x3000; // and I/O privilege 3
    return true;
}

GUEST_TEST(iret_context, "iret sets the event mask and keeps the guest out of ring 0") {
    traps::on(traps::Vector::undefined, set_masked);
    check(shared().vcpu_info[0].evtchn_upcall_mask == 0, "upcalls are masked at the start");
    asm volatile("ud2");
    const bool masked = shared().vcpu_info[0].evtchn_upcall_mask != 0;
    shared().vcpu_info[0].evtchn_upcall_mask = 0;
    check(masked, "iret with a clear interrupt flag left upcalls open");

    traps::on(traps::Vector::undefined, set_ring_0);
    const auto trap = traps::probe([] { asm volatile("ud2" : : : "memory"); });
    std::uint16_t cs = 0;
    asm volatile("mov %%cs, %w0" : "=r"(cs));
    const Word flags = processor_flags();
    check((cs & 3) == kernel_ring, "the code segment is {x}", cs);
    check((flags & 0x3000) == 0, "the flags are {x}", flags);
    static_cast<void>(trap); // a trap is as good as a corrected selector
}
