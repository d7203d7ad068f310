// Segments of a 32-bit kernel's own: the base of a descriptor takes effect in FS and GS, survives others that
// run meanwhile, and is there in a vCPU that starts with such a selector.
#include "guest/runtime/clock.hpp"
#include "guest/runtime/paging.hpp"
#include "guest/runtime/vcpus.hpp"
#include "tests/guest/test.hpp"
#include "tests/guest/width.hpp"

#include <xen/vcpu.h>

using namespace bulkhead;
using namespace bulkhead::guest_test;

namespace {

constexpr std::uint16_t first = 1 << 3 | kernel_ring, second = 2 << 3 | kernel_ring;
constinit Word words[2] = {0xf5, 0x65};
constinit volatile Word seen = 0;

// Data of ring 1 from `base` on, with 4 GiB behind it.
constexpr std::uint64_t data_from(Word base) {
    return 0x00cfb3000000ffff | (std::uint64_t{base} & 0xffffff) << 16 | (std::uint64_t{base} >> 24) << 56;
}

Page* own_descriptors() {
    Page* const table = allocate_pages();
    auto* const entries = reinterpret_cast<std::uint64_t*>(table);
    entries[1] = data_from(address_of(&words[0]));
    entries[2] = data_from(address_of(&words[1]));
    works(protect(table, pte::read_only), "making the descriptor table read-only");
    return table;
}

Word through_fs() {
    Word value = 0;
    asm volatile("mov %%fs:0, %0" : "=r"(value) : : "memory");
    return value;
}
Word through_gs() {
    Word value = 0;
    asm volatile("mov %%gs:0, %0" : "=r"(value) : : "memory");
    return value;
}
void load(std::uint16_t fs, std::uint16_t gs) {
    asm volatile("mov %w0, %%fs\n mov %w1, %%gs" : : "r"(fs), "r"(gs));
}

void report_fs() {
    seen = through_fs();
    for (;;)
        asm volatile("pause");
}

} // namespace

GUEST_TEST(narrow_segments, "FS and GS have the bases of their descriptors, also after others ran") {
    Page* const table = own_descriptors();
    xen_pfn_t frame = mfn_of(table).value();
    works(hypercall::set_gdt(&frame, 512), "set_gdt");
    load(first, second);
    check(through_fs() == 0xf5 && through_gs() == 0x65, "the bases did not take effect");
    sleep(milliseconds(2));
    check(through_fs() == 0xf5 && through_gs() == 0x65, "the bases did not survive blocking");
    load(0, 0);
    works(hypercall::set_gdt(&frame, 0), "no GDT");
    works(protect(table, pte::read_write), "making it data again");
    free_pages(table);
}

GUEST_TEST_ALONE(narrow_segments_of_vcpu, "a vCPU starts with the base of the selector in its context") {
    if (vcpu_count() < 2)
        skip("this domain has one vCPU");
    static vcpu_guest_context_t context;
    Page* const stack = allocate_pages();
    context.flags = VGCF_in_kernel;
    set_start(context.user_regs, reinterpret_cast<Word>(report_fs), address_of(stack + 1) - sizeof(Word));
    context.user_regs.cs = FLAT_KERNEL_CS;
    context.user_regs.ss = FLAT_KERNEL_SS;
    context.user_regs.ds = context.user_regs.es = FLAT_USER_DS;
    context.user_regs.fs = first;
    context.gdt_frames[0] = mfn_of(own_descriptors()).value();
    context.gdt_ents = 512;
    context.kernel_ss = FLAT_KERNEL_SS;
    context.kernel_sp = address_of(stack + 1) - sizeof(Word);
    context.ctrlreg[3] = xen_pfn_to_cr3(kernel_root().value());
    works(hypercall::vcpu_op(VCPUOP_initialise, 1, &context), "initialise");
    works(hypercall::vcpu_op(VCPUOP_up, 1, nullptr), "up");
    const auto give_up = now() + milliseconds(100);
    while (seen == 0 && now() < give_up)
        sleep(milliseconds(1));
    check(seen == words[0], "it reads {x} through FS", seen);
}
