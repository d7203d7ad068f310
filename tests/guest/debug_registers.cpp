// Debug registers: own addresses are taken and read back and hit, the hypervisor's are refused, and DR7
// cannot arm anything that the guest may not.
#include "guest/runtime/hypercall.hpp"
#include "guest/runtime/traps.hpp"
#include "tests/guest/test.hpp"
#include "tests/guest/width.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

GUEST_TEST(debug_registers, "breakpoints of the guest work and cannot aim at the hypervisor") {
    static constinit Word watched = 0;
    const auto set = hypercall::set_debugreg(0, hypercall::address(&watched));
    if (!set && set.error() == Error::no_such_call)
        skip("no debug registers here");
    works(set, "an own address");
    check(hypercall::get_debugreg(0) == hypercall::address(&watched), "DR0 reads {x}",
          hypercall::get_debugreg(0));
    if constexpr (!is_narrow) { // no address of 32 bits is the hypervisor's to break at
        refused(hypercall::set_debugreg(1, HYPERVISOR_VIRT_START + 0x1000), "an address of the hypervisor");
        refused(hypercall::set_debugreg(1, 0x800000000000), "an address that is not canonical");
    }
    refused(hypercall::set_debugreg(9, 0), "DR9");
    works(hypercall::set_debugreg(7, 0x000d0001), "a watchpoint on 4 bytes written through DR0");
    const auto trap = traps::probe([] { *const_cast<volatile Word*>(&watched) = 1; });
    works(hypercall::set_debugreg(7, 0), "no watchpoint");
    check(trap && trap->vector == traps::Vector::debug, "the watchpoint was not hit");
    check((hypercall::get_debugreg(6) & 1) != 0, "DR6 reads {x}", hypercall::get_debugreg(6));
}
