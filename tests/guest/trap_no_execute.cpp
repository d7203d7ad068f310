// A page with the no-execute bit cannot be run: #PF with the instruction-fetch bit. Skipped where the bit is
// not offered.
#include "guest/runtime/paging.hpp"
#include "guest/runtime/traps.hpp"
#include "tests/guest/test.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

GUEST_TEST(trap_no_execute, "code on a no-execute page faults, and runs once the bit is gone") {
    Page* const page = allocate_pages();
    page->bytes[0] = std::byte{0xc3}; // ret
    auto* const code = reinterpret_cast<void (*)()>(page);
    if (!protect(page, pte::read_write | pte::no_execute))
        skip("no-execute is not offered");
    const auto trap = traps::probe([&] { code(); });
    check(trap.has_value(), "a no-execute page was run");
    check(trap->vector == traps::Vector::page && trap->address == hypercall::address(page), "trap {} at {x}",
          static_cast<unsigned>(trap->vector), trap->address);
    check((trap->error & 0x11) == 0x11, "error code {x}", trap->error);
    works(protect(page, pte::read_write), "taking the bit away");
    check(!traps::probe([&] { code(); }), "the page cannot be run without the bit");
    free_pages(page);
}
