// set_gdt and update_descriptor: frames with valid descriptors become the GDT and are then read-only; a call
// gate, a ring-0 segment or a frame that is mapped writable is refused. set_ldt: the same for the LDT, by
// address.
#include "guest/runtime/paging.hpp"
#include "tests/guest/test.hpp"
#include "tests/guest/width.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

static constexpr std::uint64_t user_data = 0x00cff3000000ffff;   // ring 3, writable data, flat
static constexpr std::uint64_t kernel_code = 0x00af9b000000ffff; // ring 0, 64-bit code
static constexpr std::uint64_t call_gate = 0x0000ec0000330000;   // ring 3 call gate

static std::uint16_t load_data_segment(std::uint16_t selector) {
    std::uint16_t now_loaded = 0;
    asm volatile("mov %w[selector], %%es\n mov %%es, %w[now]\n mov %w[null], %%es"
                 : [now] "=&r"(now_loaded)
                 : [selector] "r"(selector), [null] "r"(std::uint16_t{0}));
    return now_loaded;
}

GUEST_TEST(descriptor_tables, "a GDT and an LDT of valid descriptors are taken, dangerous ones refused") {
    Page* const table = allocate_pages();
    auto* const entries = reinterpret_cast<std::uint64_t*>(table);
    xen_pfn_t frame = mfn_of(table).value();
    entries[1] = user_data;
    refused(hypercall::set_gdt(&frame, 8), "a GDT with a writable mapping");
    works(protect(table, pte::read_only), "making it read-only");
    works(hypercall::set_gdt(&frame, 8), "a GDT of one valid descriptor");
    check(load_data_segment(1 << 3 | 3) == (1 << 3 | 3), "the new segment cannot be loaded");

    const std::uint64_t second = (std::uint64_t{frame} << page_shift) + 16;
    works(hypercall::update_descriptor(second, user_data), "a valid descriptor");
    check(entries[2] == user_data, "the descriptor was not written");
    static_cast<void>(hypercall::update_descriptor(second, call_gate)); // refused, or closed to ring 3
    check(entries[2] == user_data || (entries[2] >> 45 & 3) == 0, "an open call gate is in the GDT");
    static_cast<void>(hypercall::update_descriptor(second, kernel_code)); // refused, or forced into ring 3
    check((entries[2] >> 45 & 3) != 0, "a ring-0 code segment is in the GDT");
    refused(hypercall::update_descriptor(second + 4, user_data), "a misaligned descriptor");
    refused(hypercall::update_descriptor(no_address, user_data), "a descriptor beyond memory");
    refused(protect(table, pte::read_write), "a writable mapping of the GDT");
    refused(hypercall::set_gdt(&frame, 9000), "more entries than a GDT has");

    mmuext_op_t ldt{};
    ldt.cmd = MMUEXT_SET_LDT;
    ldt.arg1.linear_addr = hypercall::address(table);
    ldt.arg2.nr_ents = 8;
    works(hypercall::mmuext_op({&ldt, 1}), "an LDT");
    ldt.arg1.linear_addr = hypercall::address(table) + 8;
    refused(hypercall::mmuext_op({&ldt, 1}), "a misaligned LDT");
    ldt.arg1.linear_addr = hypercall::address(table);
    ldt.arg2.nr_ents = 9000;
    refused(hypercall::mmuext_op({&ldt, 1}), "more entries than an LDT has");
    ldt.arg1.linear_addr = 0;
    ldt.arg2.nr_ents = 0;
    works(hypercall::mmuext_op({&ldt, 1}), "no LDT");
    works(hypercall::set_gdt(&frame, 0), "no GDT");
    works(protect(table, pte::read_write), "the frame is plain again");
    free_pages(table);
}
