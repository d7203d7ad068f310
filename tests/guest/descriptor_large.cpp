// The largest GDT, fourteen pages of segments: the hypervisor checks seven thousand descriptors in parts, and
// comes to an end.
#include "guest/runtime/paging.hpp"
#include "tests/guest/test.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

GUEST_TEST(descriptor_large, "a GDT of the largest size is taken") {
    constexpr std::uint64_t user_data = 0x00cff3000000ffff; // ring 3, writable data, flat
    constexpr unsigned per_page = page_bytes / sizeof(std::uint64_t);
    std::array<xen_pfn_t, FIRST_RESERVED_GDT_PAGE> frames{};
    Page* const pages = allocate_pages(frames.size());
    for (std::size_t i = 0; i < frames.size(); ++i) {
        auto* const entries = reinterpret_cast<std::uint64_t*>(pages + i);
        for (unsigned k = 0; k < per_page; ++k)
            entries[k] = i == 0 && k == 0 ? 0 : user_data;
        frames[i] = mfn_of(pages + i).value();
        works(protect(pages + i, pte::read_only), "making a page read-only");
    }
    works(hypercall::set_gdt(frames.data(), frames.size() * per_page), "a GDT of fourteen pages");
    works(hypercall::set_gdt(frames.data(), 0), "no GDT");
    for (std::size_t i = 0; i < frames.size(); ++i)
        works(protect(pages + i, pte::read_write), "a page is plain again");
    free_pages(pages, frames.size());
}
