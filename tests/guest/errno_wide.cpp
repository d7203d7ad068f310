// The errno of calls and of page tables that only 64-bit kernels have, row by row.
#include "guest/runtime/paging.hpp"
#include "tests/guest/errno.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

namespace {

long update(std::uint64_t at, std::uint64_t value) {
    mmu_update_t request{.ptr = at, .val = value};
    return hypercall::raw(__HYPERVISOR_mmu_update, hypercall::address(&request), 1, 0, DOMID_SELF);
}
std::uint64_t slot_of_root(unsigned slot) { return (kernel_root().value() << page_shift) + 8 * slot; }

constinit Page* upper = nullptr; // an L2, pinned
constinit Page* spare = nullptr; // another one

std::uint64_t machine(const Page* page, unsigned index) {
    return (mfn_of(page).value() << page_shift) + 8 * index;
}
std::uint64_t linear(const Page* page) { return pte::make(mfn_of(page), pte::read_only); }

constexpr ErrnoRow rows[] = {
    {"mmu_update", "a read-only L2 entry for its own L2", BULKHEAD_WORKS,
     [] { return update(machine(upper, 5), linear(upper)); }},
    {"mmu_update", "a read-only L2 entry for an L2 that names this one", BULKHEAD_FAILS(EINVAL),
     [] {
         check(update(machine(spare, 0), linear(upper)) == 0, "a linear entry was refused");
         const long result = update(machine(upper, 6), linear(spare));
         check(update(machine(spare, 0), 0) == 0, "clearing it was refused");
         return result;
     }},
    {"mmu_update", "an L4 entry of the hypervisor", BULKHEAD_FAILS(EINVAL),
     [] { return update(slot_of_root(256), pte::make(kernel_root(), pte::table)); }},
    {"update_va_mapping", "an address where a linear entry shows a page table", BULKHEAD_FAILS(EINVAL),
     [] {
         constexpr std::uint64_t slot = 300, window = 0xffff000000000000 | slot << 39;
         check(update(slot_of_root(slot), pte::make(kernel_root(), pte::read_only)) == 0,
               "a linear entry was refused");
         const long result =
             answer(hypercall::update_va_mapping(window | slot << 30 | slot << 21 | slot << 12, 0, 0));
         check(update(slot_of_root(slot), 0) == 0, "clearing it was refused");
         return result;
     }},
    {"MMUEXT_NEW_USER_BASEPTR", "a page of data", BULKHEAD_FAILS(EINVAL),
     [] {
         Page* const data = allocate_pages();
         const long result = answer(hypercall::mmuext(MMUEXT_NEW_USER_BASEPTR, mfn_of(data).value()));
         free_pages(data);
         return result;
     }},
    {"set_debugreg", "an address of the hypervisor", BULKHEAD_FAILS(EPERM),
     [] { return hypercall::raw(__HYPERVISOR_set_debugreg, 0, hypervisor_memory); }},
    {"set_segment_base", "an unknown register", BULKHEAD_FAILS(EINVAL),
     [] { return hypercall::raw(__HYPERVISOR_set_segment_base, 99, 0); }},
    {"set_segment_base", "an address that is not canonical", BULKHEAD_FAILS(EINVAL),
     [] { return hypercall::raw(__HYPERVISOR_set_segment_base, SEGBASE_FS, 0x800000000000); }},
};

} // namespace

GUEST_TEST(errno_wide, "calls that only 64-bit kernels make fail with the documented errno") {
    upper = allocate_pages(), spare = allocate_pages();
    for (Page* page : {upper, spare}) {
        works(protect(page, pte::read_only), "an L2");
        works(hypercall::mmuext(MMUEXT_PIN_L2_TABLE, mfn_of(page).value()), "pinning an L2");
    }
    check_errnos(rows);
    for (Page* page : {upper, spare}) {
        works(hypercall::mmuext(MMUEXT_UNPIN_TABLE, mfn_of(page).value()), "unpinning");
        works(protect(page, pte::read_write), "making it data again");
        free_pages(page);
    }
}
