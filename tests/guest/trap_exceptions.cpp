// Exceptions raised in the kernel arrive with the right vector, error code, address and CR2: #DE, #DB, #BP,
// #UD, #GP, #PF.
#include "guest/runtime/memory.hpp"
#include "guest/runtime/paging.hpp"
#include "guest/runtime/traps.hpp"
#include "tests/guest/test.hpp"
#include "tests/guest/width.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;
using traps::Vector;

static void expect(const std::optional<traps::Trap>& trap, Vector vector, std::uint64_t error,
                   std::uint64_t address, std::string_view what) {
    check(trap.has_value(), "{}: no trap", what);
    check(trap->vector == vector, "{}: trap {}", what, static_cast<unsigned>(trap->vector));
    check(trap->error == error, "{}: error code {x}, not {x}", what, trap->error, error);
    check(trap->address == address, "{}: address {x}, not {x}", what, trap->address, address);
}

static constexpr Word trap_flag = 1 << 8;

GUEST_TEST(trap_exceptions, "exceptions arrive with vector, error code and address") {
    expect(traps::probe([] {
               asm volatile("div %b0" : : "r"(0), "a"(1) : "cc");
           }),
           Vector::divide, 0, 0, "division by 0");
    expect(traps::probe([] { asm volatile("ud2"); }), Vector::undefined, 0, 0, "ud2");
    expect(traps::probe([] { asm volatile("int3"); }), Vector::breakpoint, 0, 0, "int3");
    expect(traps::probe([] {
               asm volatile("push %0; popf; nop" : : "r"(processor_flags() | trap_flag) : "cc", "memory");
           }),
           Vector::debug, 0, 0, "a single step");
    if constexpr (!is_narrow)
        expect(traps::probe([] { static_cast<void>(*at_address<volatile char>(0x800000000000)); }),
               Vector::protection, 0, 0, "an address that is not canonical");
    expect(traps::probe([] {
               asm volatile("mov %w0, %%ds" : : "r"(0x50));
           }),
           Vector::protection, 0x50, 0, "a selector beyond the GDT");

    constexpr std::uint64_t nowhere = 0x12345678;
    expect(traps::probe([] { static_cast<void>(*reinterpret_cast<volatile char*>(nowhere)); }), Vector::page,
           0, nowhere, "a read of nothing");
    expect(traps::probe([] { *reinterpret_cast<volatile char*>(nowhere) = 1; }), Vector::page, 2, nowhere,
           "a write to nothing");
    Page* const page = allocate_pages();
    works(protect(page, pte::read_only), "making a page read-only");
    expect(traps::probe([&] { *reinterpret_cast<volatile char*>(page) = 1; }), Vector::page, 3,
           hypercall::address(page), "a write to a read-only page");
    works(protect(page, pte::read_write), "making it writable");
    free_pages(page);
}
