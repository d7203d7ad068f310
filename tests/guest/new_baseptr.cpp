// The guest changes its page-table root to a copy of the old one and back; memory stays what it was, and each
// root has the hypervisor's slots although the guest never wrote them. What is no root is refused.
#include "guest/runtime/paging.hpp"
#include "guest/runtime/traps.hpp"
#include "tests/guest/test.hpp"
#include "tests/guest/width.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

static bool is_hypervisors(unsigned slot) { return is_narrow ? slot >= 4 : slot >= 256 && slot < 272; }

GUEST_TEST(new_baseptr, "the kernel's root can be changed for another valid one") {
    const Mfn old_root = kernel_root();
    Page* const root = allocate_pages();
    const auto* const from = reinterpret_cast<const std::uint64_t*>(direct(*own_frame(old_root)));
    auto* const to = reinterpret_cast<std::uint64_t*>(root);
    for (unsigned i = 0; i < 512; ++i)
        to[i] = is_hypervisors(i) ? 0 : from[i];
    works(protect(root, pte::read_only), "making the copy read-only");
    refused(hypercall::mmuext(MMUEXT_NEW_BASEPTR, mfn_of(allocate_pages()).value()),
            "a writable page as root");
    works(hypercall::mmuext(pin_root, mfn_of(root).value()), "pinning the copy");
    works(hypercall::mmuext(MMUEXT_NEW_BASEPTR, mfn_of(root).value()), "the copy as root");
    const auto probe = traps::read_guarded(HYPERVISOR_VIRT_START + old_root.value() * sizeof(Word));
    works(hypercall::mmuext(MMUEXT_NEW_BASEPTR, old_root.value()), "the old root again");
    check(probe == own_frame(old_root)->value(),
          "the machine-to-physical table is not in the new address space");
    works(hypercall::mmuext(MMUEXT_UNPIN_TABLE, mfn_of(root).value()), "unpinning the copy");
    works(protect(root, pte::read_write), "the copy is a plain page again");
    refused(hypercall::mmuext(MMUEXT_NEW_BASEPTR, no_frame), "a root beyond memory");
    free_pages(root);
}
