// Builds the direct map at boot: new page tables are filled through one scratch page, hooked bottom-up, and
// the builder's mapping of everything beyond the image is removed, so that every frame has exactly one
// writable mapping.
#include "guest/runtime/hypercall.hpp"
#include "guest/runtime/internal.hpp"
#include "guest/runtime/memory.hpp"
#include "guest/runtime/paging.hpp"
#include "guest/runtime/print.hpp"

#include <array>

namespace bulkhead::guest {
namespace {

using internal::state;

constexpr std::uint64_t entries = 512;
// The direct map and the window hang in one L3, in 32 bits in the root itself. `most_l2_tables` of the direct
// map fit before something else.
constexpr std::uint64_t l3_of(std::uint64_t address) { return address >> 30; }
constexpr std::uint64_t slot_in_l3(std::uint64_t address) { return l3_of(address) % entries; }
constexpr std::uint64_t most_l2_tables =
    is_narrow ? l3_of(kernel_base) - l3_of(direct_map_base) : l3_of(window_base) - l3_of(direct_map_base);
static_assert(most_l2_tables < entries);

alignas(page_bytes) constinit std::uint64_t scratch[entries]{};

constexpr std::uint64_t later(std::uint64_t a, std::uint64_t b) { return a < b ? b : a; }
constexpr std::uint64_t divide_up(std::uint64_t a, std::uint64_t b) { return (a + b - 1) / b; }

// Frame numbers of the tables to build, contiguous: all L1s, all L2s, the window's L2, the L3 (not in 32
// bits).
struct Plan {
    std::uint64_t first = 0;
    std::uint64_t l1_tables = 0;
    std::uint64_t l2_tables = 0;
    std::uint64_t builder_tables_first = 0;
    std::uint64_t builder_tables_count = 0;

    [[nodiscard]] std::uint64_t l1(std::uint64_t i) const { return first + i; }
    [[nodiscard]] std::uint64_t l2(std::uint64_t i) const { return first + l1_tables + i; }
    [[nodiscard]] std::uint64_t window() const { return l2(l2_tables); }
    [[nodiscard]] std::uint64_t l3() const { return window() + 1; }
    [[nodiscard]] std::uint64_t end() const { return is_narrow ? l3() : l3() + 1; }
    [[nodiscard]] bool is_table(std::uint64_t pfn) const {
        return (pfn >= first && pfn < end()) ||
               (pfn >= builder_tables_first && pfn < builder_tables_first + builder_tables_count);
    }
};
constinit Plan plan{};

std::uint64_t frame_of_address(std::uint64_t address) { return (address - kernel_base) >> page_shift; }
std::uint64_t end_frame(std::uint64_t address, std::uint64_t bytes) {
    return divide_up(address - kernel_base + bytes, page_bytes);
}

// Everything that the builder placed lies below this frame, except the two ring pages, which may lie
// anywhere.
std::uint64_t builder_end() {
    const start_info& info = *state.start;
    std::uint64_t end = frame_of_address(reinterpret_cast<std::uintptr_t>(image_end));
    end = later(end, end_frame(reinterpret_cast<std::uintptr_t>(&info), page_bytes));
    end = later(end, end_frame(info.mfn_list, info.nr_pages * sizeof(xen_pfn_t)));
    end = later(end, frame_of_address(info.pt_base) + info.nr_pt_frames);
    if (info.mod_len != 0) {
        const bool as_frame = (info.flags & SIF_MOD_START_PFN) != 0;
        const std::uint64_t address =
            as_frame ? kernel_base + (info.mod_start << page_shift) : info.mod_start;
        end = later(end, end_frame(address, info.mod_len));
    }
    return end;
}

void step_over(std::uint64_t mfn) {
    const auto pfn = own_frame(Mfn{mfn});
    if (pfn && pfn->value() >= plan.first && pfn->value() < plan.end())
        plan.first = pfn->value() + 1;
}

void make_plan() {
    const start_info& info = *state.start;
    plan.l1_tables = divide_up(info.nr_pages, entries);
    plan.l2_tables = divide_up(plan.l1_tables, entries);
    plan.builder_tables_first = frame_of_address(info.pt_base);
    plan.builder_tables_count = info.nr_pt_frames;
    plan.first = builder_end();
    if ((info.flags & SIF_INITDOMAIN) == 0) // twice: the first step may lead onto the other page
        for (int i = 0; i < 2; ++i) {
            step_over(info.console.domU.mfn);
            step_over(info.store_mfn);
        }
    if (plan.end() > info.nr_pages || plan.l2_tables > most_l2_tables)
        panic("memory too small or too large for the direct map: {} pages", info.nr_pages);
}

void show_in_scratch(std::uint64_t pfn) {
    const auto here = reinterpret_cast<std::uintptr_t>(scratch);
    const std::uint64_t entry = pte::make(machine_frame(Pfn{pfn}), pte::read_write);
    if (!hypercall::update_va_mapping(here, entry, UVMF_INVLPG))
        panic("cannot map a page-table frame");
}

void hide(std::uint64_t pfn) {
    // Absent from the builder's mapping is as good.
    static_cast<void>(hypercall::update_va_mapping(kernel_base + (pfn << page_shift), 0, UVMF_INVLPG));
}

// Fills the frame `pfn` with entry(0..511).
template<class F>
void fill_table(std::uint64_t pfn, F&& entry) {
    show_in_scratch(pfn);
    for (std::uint64_t i = 0; i < entries; ++i)
        scratch[i] = entry(i);
    hide(pfn);
}

std::uint64_t table_entry(std::uint64_t pfn) { return pte::make(machine_frame(Pfn{pfn}), pte::table); }

std::uint64_t page_entry(std::uint64_t pfn) {
    if (pfn >= state.start->nr_pages || machine_frame(Pfn{pfn}) == Mfn{~0ull})
        return 0;
    return pte::make(machine_frame(Pfn{pfn}), plan.is_table(pfn) ? pte::read_only : pte::read_write);
}

void fill_tables() {
    const auto scratch_pfn = frame_of_address(reinterpret_cast<std::uintptr_t>(scratch));
    for (std::uint64_t t = 0; t < plan.l1_tables; ++t)
        fill_table(plan.l1(t), [&](std::uint64_t i) { return page_entry(t * entries + i); });
    for (std::uint64_t t = 0; t < plan.l2_tables; ++t)
        fill_table(plan.l2(t), [&](std::uint64_t i) {
            const std::uint64_t l1 = t * entries + i;
            return l1 < plan.l1_tables ? table_entry(plan.l1(l1)) : 0;
        });
    fill_table(plan.window(), [](std::uint64_t) { return 0ull; });
    if constexpr (!is_narrow)
        fill_table(plan.l3(), [&](std::uint64_t i) {
            if (i == slot_in_l3(window_base))
                return table_entry(plan.window());
            return i < plan.l2_tables ? table_entry(plan.l2(i)) : 0;
        });
    show_in_scratch(scratch_pfn);
}

void hook(std::uint64_t slot, std::uint64_t table_pfn) {
    const Mfn root = machine_frame(Pfn{frame_of_address(state.start->pt_base)});
    const ::mmu_update update{.ptr = (root.value() << page_shift) + slot * sizeof(std::uint64_t),
                              .val = pte::make(machine_frame(Pfn{table_pfn}), pte::in_root)};
    if (const auto done = hypercall::mmu_update({&update, 1}); !done)
        panic("cannot hook the direct map: {}", done.error());
}

void hook_tables() {
    if constexpr (!is_narrow)
        return hook((direct_map_base >> 39) % entries, plan.l3());
    for (std::uint64_t t = 0; t < plan.l2_tables; ++t)
        hook(slot_in_l3(direct_map_base) + t, plan.l2(t));
    hook(slot_in_l3(window_base), plan.window());
}

} // namespace

namespace internal {

void map_all_memory() {
    make_plan();
    fill_tables();
    hook_tables();
    state.direct_map_ready = true;
}

// Only the image itself stays mapped at kernel_base.
void remove_builder_mapping() {
    std::array<::mmu_update, 64> batch{};
    std::size_t used = 0;
    const auto flush = [&] {
        if (used != 0 && !hypercall::mmu_update({batch.data(), used}))
            panic("cannot remove the builder's mapping");
        used = 0;
    };
    for (auto address = reinterpret_cast<std::uintptr_t>(image_end); address != 0; address += page_bytes) {
        const auto slot = find_slot(address);
        if (!slot)
            break;
        if (slot->entry == 0)
            continue;
        batch[used++] = {.ptr = slot->machine_address(), .val = 0};
        if (used == batch.size())
            flush();
    }
    flush();
    static_cast<void>(hypercall::mmuext(MMUEXT_TLB_FLUSH_LOCAL));
}

Pfn first_free_frame() { return Pfn{plan.end()}; }

bool is_boot_table(Pfn pfn) { return plan.is_table(pfn.value()); }

} // namespace internal
} // namespace bulkhead::guest
