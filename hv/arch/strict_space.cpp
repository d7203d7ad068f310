#include "hv/arch/strict_space.hpp"

#include "hv/arch/address_space.hpp"
#include "hv/arch/layout.hpp"
#include "hv/arch/pcpu.hpp"
#include "hv/base/machine.hpp"
#include "hv/mm/entry.hpp"
#include "hv/mm/frame.hpp"

namespace bulkhead::hv {

namespace {

using entry::present, entry::writable;

constexpr unsigned entries = 512, range_bits = 30; // of addresses below a third-level entry
constexpr std::uint64_t range_bytes = std::uint64_t{1} << range_bits;

// A stack area of each pCPU for hooks, and one for exceptions; no other pCPU's is in the range of its entry.
constexpr std::uint64_t areas = 2;
static_assert(areas * stack_area_bytes <= layout::policy_stack_stride);
static_assert(layout::policy_stack_stride == range_bytes);
constexpr std::uint64_t pages_of_area = stack_area_bytes / page_bytes;

constexpr unsigned slot_of(std::uint64_t address) { return (address >> 39) & (entries - 1); }
constexpr unsigned range_of(std::uint64_t address) { return (address >> range_bits) & (entries - 1); }

std::uint64_t* table(std::uint64_t e) { return machine::frame_as<std::uint64_t>(entry::frame(e)); }

Mfn new_frame() {
    const auto frame = frame_table().allocate_for_hypervisor();
    if (!frame)
        machine::out_of_memory("memory is too short for the strict guard: give the machine more (--mem)");
    return *frame;
}

std::uint64_t area(PcpuId id, std::uint64_t number) {
    return layout::policy_stacks + id.value() * layout::policy_stack_stride + number * stack_area_bytes;
}

// The hypervisor's own third-level table behind a slot.
std::uint64_t* ranges_of_slot(unsigned slot) {
    return table(machine::frame_as<std::uint64_t>(idle_root())[slot]);
}

} // namespace

std::uint64_t StrictSpace::stack_top() const { return area(id_, 0) + stack_area_bytes - page_bytes; }
std::uint64_t StrictSpace::exception_stacks() const { return area(id_, 1); }

// The lowest page of an area is not mapped, the highest one, with the pointer, is never writable.
void StrictSpace::make_stacks() {
    const Mfn top = new_frame();
    *reinterpret_cast<Pcpu**>(machine::frame_as<std::byte>(top) + page_bytes - pointer_from_top) = &pcpu(id_);
    for (std::uint64_t number = 0; number < areas; ++number) {
        const auto start = area(id_, number);
        if (!reserve_hypervisor(start, stack_area_bytes))
            machine::out_of_memory("memory is too short for the strict guard: give the machine more (--mem)");
        for (std::uint64_t page = 1; page + 1 < pages_of_area; ++page)
            map_hypervisor(start + page * page_bytes, new_frame().value() << page_shift, page_bytes,
                           Access::read_write);
        map_hypervisor(start + (pages_of_area - 1) * page_bytes, top.value() << page_shift, page_bytes,
                       Access::read);
    }
}

// What is not writable in an upper entry is not writable below it, whatever the leaf says.
void StrictSpace::make(PcpuId id) {
    id_ = id;
    make_stacks();
    const auto frame = new_frame(), ranges = new_frame(), stacks = new_frame();
    root_ = frame.value() << page_shift;
    ranges_ = machine::frame_as<std::uint64_t>(ranges);
    auto* const slots = machine::frame_as<std::uint64_t>(frame);
    const auto* const own = machine::frame_as<std::uint64_t>(idle_root());
    for (unsigned slot = layout::first_slot; slot <= layout::last_slot; ++slot)
        slots[slot] = own[slot] & ~writable;
    slots[slot_of(layout::policy_memory)] = ranges.value() << page_shift | present | writable;
    slots[slot_of(layout::policy_stacks)] = stacks.value() << page_shift | present | writable;
    const auto range = range_of(area(id_, 0));
    machine::frame_as<std::uint64_t>(stacks)[range] = ranges_of_slot(slot_of(layout::policy_stacks))[range];
    close_all();
}

void StrictSpace::close_all() {
    upper_entries_ = upper_entries();
    const auto* const own = ranges_of_slot(slot_of(layout::policy_memory));
    for (unsigned i = 0; i < entries; ++i)
        ranges_[i] = own[i] & ~writable;
    from_ = to_ = 0;
}

void StrictSpace::open(std::uint64_t from, std::uint64_t to) {
    if (upper_entries_ != upper_entries())
        close_all();
    if (from == from_ && to == to_)
        return;
    for (auto at = from_; at < to_; at += range_bytes)
        ranges_[range_of(at)] &= ~writable;
    for (auto at = from; at < to; at += range_bytes)
        if (auto& e = ranges_[range_of(at)]; entry::is_present(e))
            e |= writable;
    from_ = from;
    to_ = to;
}

} // namespace bulkhead::hv
