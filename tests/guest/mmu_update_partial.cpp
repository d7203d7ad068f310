// A batch with a wrong entry in the middle: what came before is done and counted, the wrong one and all after
// it are not.
#include "guest/runtime/paging.hpp"
#include "tests/guest/test.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

GUEST_TEST(mmu_update_partial, "a batch stops at its first wrong update and counts the right ones before") {
    Page* const source = allocate_pages(1);
    Page* const window = reserve_window(3);
    std::array<::mmu_update, 3> updates{};
    for (std::size_t i = 0; i < updates.size(); ++i)
        updates[i] = {.ptr = find_slot(hypercall::address(window + i))->machine_address(),
                      .val = pte::make(mfn_of(source), pte::read_only)};
    updates[1].val = pte::make(kernel_root(), pte::read_write);
    unsigned done = 99;
    const long result = hypercall::raw(__HYPERVISOR_mmu_update, hypercall::address(updates.data()),
                                       updates.size(), hypercall::address(&done), DOMID_SELF);
    check(result < 0, "a writable mapping of the page-table root was accepted");
    check(done == 1, "{} updates counted, not 1", done);
    check(find_slot(hypercall::address(window))->entry != 0, "the right update before it was not done");
    check(find_slot(hypercall::address(window + 2))->entry == 0, "an update after the wrong one was done");
    unmap_frames(window, 3);
    free_pages(source);
}
