// Walks of the kernel's tables, and the window: an address range whose page tables are made as it grows.
#include "guest/runtime/paging.hpp"

#include "guest/runtime/internal.hpp"
#include "guest/runtime/print.hpp"

#include <algorithm>
#include <array>

namespace bulkhead::guest {
namespace {

using internal::state;

constexpr std::uint64_t window_pages = 512 * 512; // one L2
constinit std::array<std::uint64_t, window_pages / 64> window_used{};
constinit std::uint64_t window_hint = 0;

constexpr unsigned index_at(std::uint64_t address, Level level) {
    return static_cast<unsigned>(address >> (page_shift + 9 * (static_cast<unsigned>(level) - 1))) % 512;
}

const std::uint64_t* table_view(Mfn table) {
    const auto pfn = own_frame(table);
    if (!pfn)
        return nullptr;
    const std::uint64_t base = state.direct_map_ready ? direct_map_base : kernel_base;
    return at_address<const std::uint64_t>(base + (pfn->value() << page_shift));
}

bool window_taken(std::uint64_t page) { return (window_used[page / 64] >> (page % 64) & 1) != 0; }

std::optional<std::uint64_t> find_window(std::uint64_t from, std::size_t count) {
    std::uint64_t run = 0;
    for (std::uint64_t page = from; page < window_pages; ++page) {
        run = window_taken(page) ? 0 : run + 1;
        if (run == count)
            return page + 1 - count;
    }
    return std::nullopt;
}

// The window's L1 for `address` exists afterwards.
void grow_tables(std::uint64_t address) {
    const auto l2 = find_slot(address, Level::l2);
    if (!l2)
        panic("the window has no L2 table");
    if ((l2->entry & pte::present) != 0)
        return;
    const Page* const table = allocate_pages();
    if (!protect(table, pte::read_only) || !write_slot(*l2, pte::make(mfn_of(table), pte::table)))
        panic("cannot grow the window");
}

} // namespace

std::optional<Slot> find_slot(std::uint64_t address, Level level) {
    Mfn table = kernel_root();
    for (unsigned at = root_level;; --at) {
        const std::uint64_t* entries = table_view(table);
        if (entries == nullptr)
            return std::nullopt;
        const unsigned index = index_at(address, static_cast<Level>(at));
        const std::uint64_t entry = entries[index];
        if (at == static_cast<unsigned>(level))
            return Slot{.table = table, .index = index, .entry = entry};
        if ((entry & pte::present) == 0 || (entry & pte::huge) != 0)
            return std::nullopt;
        table = pte::frame(entry);
    }
}

Mfn kernel_root() { return machine_frame(Pfn{(state.start->pt_base - kernel_base) >> page_shift}); }

Result<void> write_slot(const Slot& slot, std::uint64_t entry) {
    const ::mmu_update update{.ptr = slot.machine_address() | MMU_NORMAL_PT_UPDATE, .val = entry};
    const auto done = hypercall::mmu_update({&update, 1});
    if (!done)
        return std::unexpected{done.error()};
    return {};
}

Page* reserve_window(std::size_t count) {
    auto first = find_window(window_hint, count);
    if (!first)
        first = find_window(0, count);
    if (!first)
        panic("window full: {} pages wanted", count);
    for (std::uint64_t page = *first; page < *first + count; ++page)
        window_used[page / 64] |= 1ull << (page % 64);
    window_hint = *first + count;
    const std::uint64_t begin = window_base + (*first << page_shift);
    const std::uint64_t end = begin + (count << page_shift);
    for (std::uint64_t address = begin; address < end; address = (address | 0x1fffff) + 1)
        grow_tables(address);
    return at_address<Page>(begin);
}

void release_window(Page* first, std::size_t count) {
    const std::uint64_t page = (reinterpret_cast<std::uintptr_t>(first) - window_base) >> page_shift;
    for (std::uint64_t i = page; i < page + count; ++i)
        window_used[i / 64] &= ~(1ull << (i % 64));
    window_hint = std::min(window_hint, page); // what has tables is used first, so they don't grow for ever
}

Result<Page*> map_frames(std::span<const Mfn> frames, DomainId owner, std::uint64_t flags) {
    Page* const window = reserve_window(frames.size());
    std::array<::mmu_update, 64> batch{};
    std::size_t used = 0;
    for (std::size_t i = 0; i < frames.size(); ++i) {
        const auto slot = find_slot(reinterpret_cast<std::uintptr_t>(window + i));
        batch[used++] = {.ptr = slot->machine_address() | MMU_NORMAL_PT_UPDATE,
                         .val = pte::make(frames[i], flags)};
        if (used < batch.size() && i + 1 < frames.size())
            continue;
        if (const auto done = hypercall::mmu_update({batch.data(), used}, owner); !done) {
            unmap_frames(window, frames.size());
            return std::unexpected{done.error()};
        }
        used = 0;
    }
    return window;
}

Result<Page*> map_frame(Mfn frame, DomainId owner, std::uint64_t flags) {
    return map_frames({&frame, 1}, owner, flags);
}

void unmap_frames(Page* first, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i)
        if (!hypercall::update_va_mapping(reinterpret_cast<std::uintptr_t>(first + i), 0,
                                          UVMF_INVLPG | UVMF_ALL))
            panic("cannot unmap a window page");
    release_window(first, count);
}

Status protect(const Page* page, std::uint64_t flags) {
    return hypercall::update_va_mapping(reinterpret_cast<std::uintptr_t>(page),
                                        pte::make(mfn_of(page), flags), UVMF_INVLPG);
}

} // namespace bulkhead::guest
