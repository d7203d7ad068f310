// update_va_mapping: one L1 entry by its address, with each way of flushing; refused for addresses without an
// L1, for the hypervisor's range and for what mmu_update would refuse.
#include "guest/runtime/paging.hpp"
#include "guest/runtime/traps.hpp"
#include "tests/guest/test.hpp"
#include "tests/guest/width.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

GUEST_TEST(update_va_mapping, "one entry by address, with flushes, and its refusals") {
    Page* const pages = allocate_pages(2);
    *reinterpret_cast<std::uint64_t*>(pages) = 1;
    *reinterpret_cast<std::uint64_t*>(pages + 1) = 2;
    Page* const window = reserve_window(1);
    const std::uint64_t address = hypercall::address(window);
    const volatile std::uint64_t& value = *reinterpret_cast<const volatile std::uint64_t*>(window);
    for (const unsigned long flush : {UVMF_INVLPG | UVMF_LOCAL, UVMF_INVLPG | UVMF_ALL,
                                      UVMF_TLB_FLUSH | UVMF_LOCAL, UVMF_TLB_FLUSH | UVMF_ALL}) {
        works(hypercall::update_va_mapping(address, pte::make(mfn_of(pages), pte::read_write), flush),
              "mapping");
        check(value == 1, "the first page is not seen");
        works(hypercall::update_va_mapping(address, pte::make(mfn_of(pages + 1), pte::read_write), flush),
              "remapping");
        check(value == 2, "a stale translation was used after flush {}", flush);
    }
    works(hypercall::update_va_mapping(address, 0, UVMF_INVLPG), "unmapping");
    check(!traps::read_guarded(address), "the page can be read after it was unmapped");

    const std::uint64_t entry = pte::make(mfn_of(pages), pte::read_write);
    refused(hypercall::update_va_mapping(window_base + 0x30000000, entry, 0), "an address without an L1");
    refused(hypercall::update_va_mapping(HYPERVISOR_VIRT_START, entry, 0), "the machine-to-physical table");
    refused(hypercall::update_va_mapping(hypervisor_last_page, entry, 0), "the hypervisor's range");
    if constexpr (!is_narrow)
        refused(hypercall::update_va_mapping(0x900000000000, entry, 0), "an address that is not canonical");
    refused(hypercall::update_va_mapping(address, pte::make(kernel_root(), pte::read_write), 0),
            "a writable root");
    refused(hypercall::update_va_mapping_otherdomain(address, entry, 0, DomainId{0x7abc}),
            "a domain that is not there");
    release_window(window, 1);
    free_pages(pages, 2);
}
