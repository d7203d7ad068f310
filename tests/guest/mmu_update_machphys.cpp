// MMU_MACHPHYS_UPDATE: a guest may rewrite the machine-to-physical entries of its own frames, and of no
// others.
#include "guest/runtime/paging.hpp"
#include "tests/guest/test.hpp"
#include "tests/guest/width.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

static Result<unsigned> set_entry(Mfn mfn, std::uint64_t pfn) {
    const ::mmu_update update{.ptr = (mfn.value() << page_shift) | MMU_MACHPHYS_UPDATE, .val = pfn};
    return hypercall::mmu_update({&update, 1});
}

GUEST_TEST(mmu_update_machphys, "own machine-to-physical entries can be written, others not") {
    Page* const page = allocate_pages();
    const Mfn mfn = mfn_of(page);
    const std::uint64_t right = pfn_of(page).value();
    const auto& entry = *at_address<const volatile Word>(HYPERVISOR_VIRT_START + mfn.value() * sizeof(Word));
    check(entry == right, "the entry holds {x}, not {x}", entry, right);
    works(set_entry(mfn, right + 5), "an entry of an own frame");
    check(entry == right + 5, "the entry was not written");
    works(set_entry(mfn, right), "writing it back");
    refused(set_entry(Mfn{no_frame}, 1), "an entry of a frame beyond memory");
    free_pages(page);
}
