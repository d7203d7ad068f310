// Page-table entries that a guest must never get: a writable mapping of its own page table, another's frame,
// the hypervisor's memory, and any change of the hypervisor's own slots of the root. A control domain on Xen
// may map free RAM frames of nobody and device memory, so the test of foreign frames uses one beyond all
// memory.
#include "guest/runtime/paging.hpp"
#include "guest/runtime/start.hpp"
#include "guest/runtime/traps.hpp"
#include "tests/guest/test.hpp"
#include "tests/guest/width.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

GUEST_TEST(mmu_update_refuses,
           "no writable page table, no foreign frame, no change of the hypervisor's slots") {
    Page* const window = reserve_window(1);
    const auto slot = find_slot(hypercall::address(window));
    refused(write_slot(*slot, pte::make(kernel_root(), pte::read_write)), "a writable mapping of the root");
    refused(write_slot(*slot, pte::make(slot->table, pte::read_write)), "a writable mapping of an L1");
    works(write_slot(*slot, pte::make(slot->table, pte::read_only)), "a read-only mapping of an L1");
    // A hypervisor may carry out a direct write if the entry is a valid one; this one is not.
    const std::uint64_t poison = pte::make(kernel_root(), pte::read_write);
    const std::uint64_t before = *reinterpret_cast<const volatile std::uint64_t*>(window);
    check(!traps::write_guarded(hypercall::address(window), poison), "a page table was written directly");
    check(*reinterpret_cast<const volatile std::uint64_t*>(window) == before,
          "the direct write changed the table");
    works(write_slot(*slot, 0), "clearing an entry");

    refused(write_slot(*slot, pte::make(Mfn{no_frame}, pte::read_write)), "a frame beyond all memory");
    refused(write_slot(*slot, pte::make(Mfn{0xfffffffffff}, pte::read_only)),
            "a frame beyond the address width");

    constexpr unsigned first = is_narrow ? 4 : 256; // a root of three levels has no more than four entries
    for (unsigned index = first; index < first + 16; ++index) {
        const Slot hypervisors{.table = kernel_root(), .index = index, .entry = 0};
        refused(write_slot(hypervisors, 0), "clearing a root's slot of the hypervisor");
        refused(write_slot(hypervisors, pte::make(kernel_root(), pte::table)),
                "setting a root's slot of the hypervisor");
    }
    const ::mmu_update misaligned{.ptr = slot->machine_address() + 4, .val = 0};
    static_cast<void>(hypercall::mmu_update({&misaligned, 1})); // either is fine, but nothing may break
    const ::mmu_update plain{.ptr = slot->machine_address(), .val = 0};
    refused(hypercall::mmu_update({&plain, 1}, DomainId{0x7abc}),
            "an update for a domain that does not exist");
    release_window(window, 1);
}
