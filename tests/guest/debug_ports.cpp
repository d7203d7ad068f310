// Breakpoints on ports: refused while CR4.DE is clear; with it, an access strikes behind the instruction and
// DR6 says which breakpoint was hit.
#include "guest/runtime/hypercall.hpp"
#include "guest/runtime/traps.hpp"
#include "tests/guest/test.hpp"

#include <xen/physdev.h>

using namespace bulkhead;
using namespace bulkhead::guest_test;

namespace {

constexpr std::uint64_t debugging_extensions = 1 << 3;
constexpr std::uint16_t unused_port = 0x4f0;
constexpr std::uint64_t on_two_ports = 0x00060401; // DR0, two bytes

Word read_cr4() {
    Word value = 0;
    asm volatile("mov %%cr4, %0" : "=r"(value));
    return value;
}
void write_cr4(Word value) { asm volatile("mov %0, %%cr4" : : "r"(value) : "memory"); }
std::uint8_t read_port(std::uint16_t port) {
    std::uint8_t value = 0;
    asm volatile("inb %1, %0" : "=a"(value) : "d"(port));
    return value;
}
// The bits of DR6 that reading `port` lights; ~0 if nothing struck.
std::uint64_t struck(std::uint16_t port) {
    static_cast<void>(hypercall::set_debugreg(6, 0xffff0ff0));
    std::uint16_t asked = port;
    const auto trap = traps::probe([&] { static_cast<void>(read_port(asked)); });
    if (!trap)
        return ~std::uint64_t{0};
    check(trap->vector == traps::Vector::debug, "reading port {x} raised {}", port,
          static_cast<unsigned>(trap->vector));
    return hypercall::get_debugreg(6) & 15;
}

} // namespace

GUEST_TEST(debug_ports, "breakpoints on ports work once CR4.DE is set") {
    const Word before = read_cr4();
    check((before & debugging_extensions) == 0, "a guest starts with CR4 {x}", before);
    works(hypercall::set_debugreg(0, unused_port), "a port in DR0");
    refused(hypercall::set_debugreg(7, on_two_ports), Error::not_permitted, "a breakpoint without CR4.DE");
    write_cr4(before | debugging_extensions);
    check((read_cr4() & debugging_extensions) != 0, "CR4.DE cannot be set");
    physdev_set_iopl iopl{.iopl = 1};
    works(Status{hypercall::status(
              hypercall::raw(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iopl, hypercall::address(&iopl)))},
          "the privilege to use ports");
    works(hypercall::set_debugreg(7, on_two_ports), "a breakpoint with CR4.DE");
    check(struck(unused_port) == 1, "the port gave DR6 {x}", struck(unused_port));
    check(struck(unused_port + 1) == 1, "the next port gave DR6 {x}", struck(unused_port + 1));
    check(struck(unused_port + 2) == ~std::uint64_t{0}, "the port behind them struck");
    works(hypercall::set_debugreg(7, 0x400), "no breakpoint");
    check(struck(unused_port) == ~std::uint64_t{0}, "it strikes when it is off");
    iopl.iopl = 0;
    static_cast<void>(hypercall::raw(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iopl, hypercall::address(&iopl)));
    write_cr4(before);
}
