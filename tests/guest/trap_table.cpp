// set_trap_table: pointers that cannot be read are refused and leave the table as it was; a code selector of
// ring 0 must not be taken at its word.
#include "guest/runtime/hypercall.hpp"
#include "guest/runtime/traps.hpp"
#include "tests/guest/test.hpp"
#include "tests/guest/width.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

GUEST_TEST(trap_table, "bad trap tables are refused and change nothing") {
    refused(hypercall::set_trap_table(reinterpret_cast<const trap_info*>(0x123000)), Error::fault,
            "an unmapped table");
    refused(hypercall::set_trap_table(reinterpret_cast<const trap_info*>(hypervisor_memory)), Error::fault,
            "a table in the hypervisor's range");
    check(traps::probe([] { asm volatile("ud2"); }).has_value(), "the table was lost");
    const trap_info entries[2] = {{.vector = 200, .flags = 0, .cs = 0x08, .address = 0x1000}, {}};
    static_cast<void>(hypercall::set_trap_table(entries)); // refused, or made a ring-3 selector
    const trap_info end[1] = {{}};
    works(hypercall::set_trap_table(end), "a table of no entries");
    check(traps::probe([] { asm volatile("ud2"); }).has_value(), "an empty table took the handlers away");
}
