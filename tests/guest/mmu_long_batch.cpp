// A long mmu_update (20,000 updates) is carried out whole, however often the hypervisor takes the CPU away
// inside it.
#include "guest/runtime/paging.hpp"
#include "tests/guest/test.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

GUEST_TEST(mmu_long_batch, "20,000 updates in one call are all done and counted") {
    constexpr std::size_t count = 20'000;
    constexpr std::size_t pages = (count * sizeof(::mmu_update) + page_bytes - 1) / page_bytes;
    auto* const updates = reinterpret_cast<::mmu_update*>(allocate_pages(pages));
    Page* const data = allocate_pages(2);
    Page* const window = reserve_window(512);
    for (std::size_t i = 0; i < count; ++i)
        updates[i] = {.ptr = 0, .val = pte::make(mfn_of(data + i / 512 % 2), pte::read_only)};
    for (std::size_t i = 0; i < 512; ++i) {
        const std::uint64_t slot = find_slot(hypercall::address(window + i))->machine_address();
        for (std::size_t k = i; k < count; k += 512)
            updates[k].ptr = slot;
    }
    const auto done = hypercall::mmu_update({updates, count});
    check(works(done, "the batch") == count, "{} of {} counted", *done, count);
    for (std::size_t i = 0; i < 512; ++i) {
        const std::size_t last = (count - 1 - i) / 512 * 512 + i;
        check((find_slot(hypercall::address(window + i))->entry & pte::frame_mask) ==
                  (updates[last].val & pte::frame_mask),
              "entry {} is not the last one written", i);
    }
    unmap_frames(window, 512);
    free_pages(reinterpret_cast<Page*>(updates), pages);
    free_pages(data, 2);
}
