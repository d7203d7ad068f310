// I/O ports: a domain without the right to them gets #GP for in and out of any width. A control domain on Xen
// owns most ports; there only the hypervisor's own (the serial console) stay closed, which answer with all
// ones.
#include "guest/runtime/start.hpp"
#include "guest/runtime/traps.hpp"
#include "tests/guest/test.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

static void expect_refused(const std::optional<traps::Trap>& trap, std::string_view what) {
    check(trap.has_value(), "{} was carried out", what);
    check(trap->vector == traps::Vector::protection && trap->error == 0, "{}: trap {} error {x}", what,
          static_cast<unsigned>(trap->vector), trap->error);
}

GUEST_TEST(emulate_ports, "in and out are refused to a domain that owns no ports") {
    if (is_control_domain())
        skip("this domain may own ports");
    expect_refused(traps::probe([] { asm volatile("outb %%al, $0x80" : : "a"(0)); }), "out to port 0x80");
    expect_refused(traps::probe([] { asm volatile("inb $0x60, %%al" : : : "rax"); }), "in from port 0x60");
    expect_refused(traps::probe([] {
                       asm volatile("inw %%dx, %%ax" : : "d"(0x3f8) : "rax");
                   }),
                   "a word from the serial line");
    expect_refused(traps::probe([] {
                       asm volatile("outl %%eax, %%dx" : : "d"(0xcf8), "a"(0x80000000));
                   }),
                   "PCI configuration");
    char byte = 0;
    expect_refused(traps::probe([&] {
                       asm volatile("outsb" : : "S"(&byte), "d"(0x501) : "memory");
                   }),
                   "outs");
}
