// Flushing: after an entry changed without a flush, each of the guest's flush operations makes the new
// translation visible.
#include "guest/runtime/paging.hpp"
#include "tests/guest/test.hpp"
#include "tests/guest/width.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

static Status flush(unsigned command, std::uint64_t address, Word* vcpus) {
    mmuext_op_t operation{};
    operation.cmd = command;
    operation.arg1.linear_addr = address;
    if (vcpus != nullptr)
        operation.arg2.vcpumask.p = vcpus;
    const auto done = hypercall::mmuext_op({&operation, 1});
    if (!done)
        return std::unexpected{done.error()};
    return {};
}

GUEST_TEST(tlb_flushes, "every flush operation makes changed entries visible") {
    Page* const pages = allocate_pages(2);
    *reinterpret_cast<std::uint64_t*>(pages) = 0;
    *reinterpret_cast<std::uint64_t*>(pages + 1) = 1;
    Page* const window = reserve_window(1);
    const std::uint64_t address = hypercall::address(window);
    const volatile std::uint64_t& value = *reinterpret_cast<const volatile std::uint64_t*>(window);
    Word this_vcpu = 1;
    std::uint64_t expected = 0;
    for (const int command : {MMUEXT_TLB_FLUSH_LOCAL, MMUEXT_INVLPG_LOCAL, MMUEXT_TLB_FLUSH_MULTI,
                              MMUEXT_INVLPG_MULTI, MMUEXT_TLB_FLUSH_ALL, MMUEXT_INVLPG_ALL}) {
        works(hypercall::update_va_mapping(address, pte::make(mfn_of(pages + expected), pte::read_only), 0),
              "mapping");
        const bool multi = command == MMUEXT_TLB_FLUSH_MULTI || command == MMUEXT_INVLPG_MULTI;
        works(flush(static_cast<unsigned>(command), address, multi ? &this_vcpu : nullptr), "flushing");
        check(value == expected, "a stale translation was used after operation {}", command);
        expected ^= 1;
    }
    refused(flush(MMUEXT_TLB_FLUSH_MULTI, 0, reinterpret_cast<Word*>(hypervisor_memory)),
            "a vCPU mask in the hypervisor's memory");
    static_cast<void>(flush(MMUEXT_INVLPG_LOCAL, hypervisor_last_page, nullptr)); // must only do no harm
    unmap_frames(window, 1);
    free_pages(pages, 2);
}
