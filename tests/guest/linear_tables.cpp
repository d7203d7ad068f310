// Linear (recursive) page tables: an entry of the L4 that names the L4 itself opens a window in which the
// kernel reads its own tables. Nothing can be written through it, and of the hypervisor's slots it shows at
// most the tables of the machine-to-physical table, which guests may read anyway. A second table of a level
// can be linked in, but not one that links others, so that tables never link each other in a circle.
#include "guest/runtime/paging.hpp"
#include "guest/runtime/start.hpp"
#include "guest/runtime/traps.hpp"
#include "tests/guest/test.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

namespace {

constexpr unsigned window = 300, second = 301; // slots of the L4
constexpr std::uint64_t processor_bits = pte::accessed | pte::dirty;

// The address that takes these indexes, from the L4's down.
constexpr std::uint64_t at(std::uint64_t l4, std::uint64_t l3, std::uint64_t l2, std::uint64_t l1,
                           std::uint64_t word = 0) {
    const std::uint64_t low = l4 << 39 | l3 << 30 | l2 << 21 | l1 << 12 | word * 8;
    return l4 >= 256 ? low | 0xffff000000000000 : low;
}

// Where the window shows the entry that maps `address` at `level`.
std::uint64_t seen_at(std::uint64_t address, unsigned level) {
    std::uint64_t place = address;
    for (unsigned i = 0; i < level; ++i)
        place = at(window, 0, 0, 0) | (place & 0xffffffffffff) >> 9;
    return place & ~std::uint64_t{7};
}

std::uint64_t entry_of(const Page* table, unsigned index) {
    return reinterpret_cast<const volatile std::uint64_t*>(table)[index];
}

Result<void> set(Mfn table, unsigned index, std::uint64_t entry) {
    return write_slot({.table = table, .index = index, .entry = 0}, entry);
}
std::uint64_t linear(Mfn table) { return pte::make(table, pte::read_only); }

void flush() { works(hypercall::mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0), "a flush"); }

void shows_own_entries(const Page* data) {
    const std::uint64_t address = hypercall::address(data);
    for (unsigned level = 1; level <= 4; ++level) {
        const auto slot = find_slot(address, static_cast<Level>(level));
        const auto seen = traps::read_guarded(seen_at(address, level));
        check(seen && ((*seen ^ slot->entry) & ~processor_bits) == 0, "the L{} entry reads {x}, not {x}",
              level, seen.value_or(0), slot->entry);
    }
    const auto self = traps::read_guarded(at(window, window, window, window, window));
    check(self && pte::frame(*self) == kernel_root(), "the root does not show itself");
}

void shows_changes(const Page* data) {
    const std::uint64_t place = seen_at(hypercall::address(data), 1);
    works(protect(data, pte::read_only), "a change of an L1 entry");
    check((traps::read_guarded(place).value_or(~0ull) & pte::writable) == 0,
          "the window shows the old entry");
    works(protect(data, pte::read_write), "the change back");
    check((traps::read_guarded(place).value_or(0) & pte::writable) != 0, "the window shows the old entry");
}

// A hypervisor may carry out a direct write where the entry that maps the table is read-only, as the root's
// own is, if the new value is a valid one.
void is_not_writable(const Page* data) {
    for (unsigned level = 1; level <= 4; ++level) {
        const std::uint64_t place = seen_at(hypercall::address(data), level);
        const std::uint64_t before = traps::read_guarded(place).value_or(0);
        const std::uint64_t value = level < 4 ? before ^ 1 << 9 : pte::make(kernel_root(), pte::table);
        const auto trap = traps::probe([&] { *reinterpret_cast<volatile std::uint64_t*>(place) = value; });
        check(trap && trap->vector == traps::Vector::page && (trap->error & 3) == 3,
              "an L{} entry was written", level);
        const std::uint64_t after = traps::read_guarded(place).value_or(0);
        check(before != 0 && ((after ^ before) & ~processor_bits) == 0, "the L{} entry changed", level);
    }
}

void faults(std::uint64_t address) {
    const auto trap = traps::probe([&] { static_cast<void>(*reinterpret_cast<volatile char*>(address)); });
    check(trap && trap->vector == traps::Vector::page, "the hypervisor's half can be read at {x}", address);
}

// The hypervisor's L3s stand as L2s, L1s and pages in the window. The first one is of the machine-to-physical
// table.
void hides_the_hypervisor() {
    for (unsigned slot = 257; slot < 272; ++slot) {
        for (unsigned index = 0; index < 512; index += 7) {
            faults(at(window, slot, index, 0));
            faults(at(window, slot, 0, index));
        }
        for (unsigned index = 0; index < 512; index += 7)
            faults(at(window, window, slot, index));
        faults(at(window, window, window, slot));
    }
    for (const std::uint64_t place :
         {at(window, 256, 0, 0), at(window, window, 256, 0), at(window, window, window, 256)})
        check(!traps::write_guarded(place, 0), "the hypervisor's half can be written");
}

void links_another(const Page* data) {
    Page* const other = allocate_pages(2);
    Page* const third = other + 1;
    for (Page* table : {other, third}) {
        works(protect(table, pte::read_only), "making a table read-only");
        works(hypercall::mmuext(MMUEXT_PIN_L4_TABLE, mfn_of(table).value()), "pinning an L4");
    }
    refused(set(kernel_root(), second, linear(mfn_of(data))), "a linear entry for a page of data");
    refused(set(kernel_root(), second, pte::make(mfn_of(other), pte::table)), "a writable linear entry");
    works(set(kernel_root(), second, linear(mfn_of(other))), "a linear entry for another L4");
    works(set(mfn_of(other), 7, linear(mfn_of(other))), "an entry of that one for itself");
    refused(set(mfn_of(other), 8, linear(mfn_of(third))), "a linear entry in a table that one names");
    refused(set(mfn_of(third), 8, linear(kernel_root())), "a linear entry for a table that has one");
    refused(set(mfn_of(other), 8, linear(kernel_root())), "two tables that name each other");
    const auto seen = traps::read_guarded(at(second, 7, 7, 7, 7));
    check(seen && pte::frame(*seen) == mfn_of(other), "the other L4 does not show itself");
    works(hypercall::mmuext(MMUEXT_UNPIN_TABLE, mfn_of(other).value()), "unpinning the other L4");
    refused(protect(other, pte::read_write), "a writable mapping of an L4 with a linear entry");
    works(set(kernel_root(), second, 0), "clearing the linear entry");
    flush();
    check(!traps::read_guarded(at(second, 7, 7, 7, 7)), "the other L4 can still be read");
    works(hypercall::mmuext(MMUEXT_UNPIN_TABLE, mfn_of(third).value()), "unpinning the third L4");
    for (Page* table : {other, third})
        works(protect(table, pte::read_write), "making data of an L4");
    free_pages(other, 2);
}

void links_lower_levels() {
    constexpr std::array<unsigned, 2> pin{MMUEXT_PIN_L2_TABLE, MMUEXT_PIN_L3_TABLE};
    for (const unsigned command : pin) {
        Page* const tables = allocate_pages(2);
        const Mfn first = mfn_of(tables), other = mfn_of(tables + 1);
        reinterpret_cast<std::uint64_t*>(tables)[5] = linear(first);
        for (Page* table : {tables, tables + 1}) {
            works(protect(table, pte::read_only), "making a table read-only");
            works(hypercall::mmuext(command, mfn_of(table).value()), "pinning a table");
        }
        check(pte::frame(entry_of(tables, 5)) == first, "the table's own entry is gone");
        works(set(first, 6, linear(other)), "a linear entry for another table");
        refused(set(other, 6, linear(first)), "two tables that name each other");
        for (const Page* table : {tables + 1, tables})
            works(hypercall::mmuext(MMUEXT_UNPIN_TABLE, mfn_of(table).value()), "unpinning");
        for (Page* table : {tables, tables + 1})
            works(protect(table, pte::read_write), "making data of it");
        free_pages(tables, 2);
    }
}

// What a hypercall answers whose argument lies there.
long answer(std::uint64_t argument) {
    return hypercall::raw(__HYPERVISOR_memory_op, XENMEM_maximum_reservation, argument);
}

} // namespace

GUEST_TEST(linear_tables,
           "a kernel reads its tables through a linear entry, and nothing of the hypervisor's") {
    Page* const data = allocate_pages();
    refused(set(kernel_root(), window, pte::make(kernel_root(), pte::table)), "a writable linear entry");
    works(set(kernel_root(), window, linear(kernel_root())), "an entry of the root for itself");
    shows_own_entries(data);
    shows_changes(data);
    is_not_writable(data);
    check(answer(seen_at(hypercall::address(data), 1)) != -XEN_EFAULT,
          "an argument in the window is not read");
    hides_the_hypervisor();
    works(set(kernel_root(), window, 0), "clearing the entry");
    flush();
    check(!traps::read_guarded(seen_at(hypercall::address(data), 1)), "the window is still there");
    links_another(data);
    links_lower_levels();
    free_pages(data);
}

GUEST_TEST(linear_arguments,
           "the hypervisor reads no argument of a hypercall from its own half for a guest") {
    if (!on_bulkhead())
        skip("Xen 4.17 reads its own page tables there");
    works(set(kernel_root(), window, linear(kernel_root())), "an entry of the root for itself");
    for (unsigned slot = 256; slot < 272; ++slot)
        for (const std::uint64_t place :
             {at(window, slot, 0, 0), at(window, slot, 0, 1), at(window, slot, 1, 0),
              at(window, window, slot, 0), at(window, window, window, slot)}) {
            const long got = answer(place);
            check(got == -XEN_EFAULT, "an argument in the hypervisor's half at {x} answers {}", place, got);
            check(answer(place - 1) == -XEN_EFAULT, "an argument that ends there can be read");
        }
    works(set(kernel_root(), window, 0), "clearing the entry");
    flush();
}
