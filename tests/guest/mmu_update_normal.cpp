// MMU_NORMAL_PT_UPDATE: a valid L1 entry appears and disappears, several in one call, with the count of those
// done; and MMU_PT_UPDATE_PRESERVE_AD keeps the accessed and dirty bits.
#include "guest/runtime/paging.hpp"
#include "tests/guest/test.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

GUEST_TEST(mmu_update_normal, "valid L1 entries are written, batched and counted") {
    Page* const source = allocate_pages(4);
    Page* const window = reserve_window(4);
    std::array<::mmu_update, 4> updates{};
    for (std::size_t i = 0; i < updates.size(); ++i) {
        *reinterpret_cast<std::uint64_t*>(source + i) = 0x1000 + i;
        const auto slot = find_slot(hypercall::address(window + i));
        updates[i] = {.ptr = slot->machine_address() | MMU_NORMAL_PT_UPDATE,
                      .val = pte::make(mfn_of(source + i), pte::read_write)};
    }
    check(works(hypercall::mmu_update(updates), "four entries") == 4, "not all four were counted");
    for (std::size_t i = 0; i < updates.size(); ++i)
        check(*reinterpret_cast<const volatile std::uint64_t*>(window + i) == 0x1000 + i,
              "entry {} maps elsewhere", i);
    *reinterpret_cast<volatile std::uint64_t*>(window) = 0x55;
    check(*reinterpret_cast<const volatile std::uint64_t*>(source) == 0x55,
          "a write through the new mapping is lost");

    check(works(hypercall::mmu_update(std::span<const ::mmu_update>{}), "an empty batch") == 0,
          "an empty batch did something");
    const auto slot = find_slot(hypercall::address(window));
    const ::mmu_update preserve{.ptr = slot->machine_address() | MMU_PT_UPDATE_PRESERVE_AD,
                                .val = pte::make(mfn_of(source), pte::present | pte::user)};
    works(hypercall::mmu_update({&preserve, 1}), "preserve_ad");
    const std::uint64_t now_there = find_slot(hypercall::address(window))->entry;
    check((now_there & (pte::accessed | pte::dirty)) == (pte::accessed | pte::dirty),
          "accessed and dirty were dropped");
    unmap_frames(window, 4);
    free_pages(source, 4);
}
