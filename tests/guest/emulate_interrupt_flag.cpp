// cli and sti of a PV kernel must not switch the machine's interrupts off: they fault or do nothing (the
// guest's flag is the mask in its vcpu_info), and pushf shows interrupts as on.
#include "guest/runtime/clock.hpp"
#include "guest/runtime/events.hpp"
#include "guest/runtime/hypercall.hpp"
#include "guest/runtime/traps.hpp"
#include "tests/guest/test.hpp"
#include "tests/guest/width.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

GUEST_TEST(emulate_interrupt_flag, "a guest cannot switch the machine's interrupts off") {
    constexpr Word interrupt_flag = 1 << 9, io_privilege = 3 << 12;
    check((processor_flags() & interrupt_flag) != 0, "interrupts are off");
    const auto cli = traps::probe([] { asm volatile("cli"); });
    check(!cli || cli->vector == traps::Vector::protection, "cli: trap {}",
          static_cast<unsigned>(cli->vector));
    check((processor_flags() & interrupt_flag) != 0, "cli switched the machine's interrupts off");
    set_processor_flags(processor_flags() & ~interrupt_flag);
    check((processor_flags() & interrupt_flag) != 0, "popf switched the machine's interrupts off");
    set_processor_flags(processor_flags() | io_privilege);
    check((processor_flags() & io_privilege) == 0, "popf raised the I/O privilege level");
    const std::uint64_t before = events::upcalls();
    works(hypercall::set_timer(now() + microseconds(200)), "a timer");
    spin_until(now() + milliseconds(2));
    check(events::upcalls() > before, "no event arrives any more");
    const auto sti = traps::probe([] { asm volatile("sti"); });
    check(!sti || sti->vector == traps::Vector::protection, "sti: trap {}",
          static_cast<unsigned>(sti->vector));
}
