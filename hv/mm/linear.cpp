#include "hv/mm/linear.hpp"

#include "hv/domain/domain.hpp"
#include "hv/mm/tlb.hpp"
#include "hv/mm/types.hpp"
#include "hv/mm/walk.hpp"

namespace bulkhead::hv {

namespace {

constinit bool allowed = true;

// A pCPU copies from a guest without interrupts, so once all have answered a flush, each later copy sees the
// slot.
void note_slot(DomainId domain, unsigned index) {
    auto& memory = find_domain(domain)->memory;
    if (memory.linear_slots.has(index))
        return;
    memory.linear_slots.add(index);
    machine::check_copies();
    tlb::flush_mask(machine::pcpus_using(domain));
}

Result<> link(Frame& table, Frame& child, unsigned index, std::uint64_t e) {
    const auto type = table.type();
    const Owner owner = table.owner;
    if (!allowed || entry::is_writable(e) || child.type() != type)
        return fail(Error::invalid);
    if (&child != &table) {
        const bool one_way = table.linear_links >= 0 && child.linear_links <= 0;
        if (!one_way || child.linear_links == -max_linear_links || !take_existing(child, type, owner))
            return fail(Error::invalid);
        ++table.linear_links;
        --child.linear_links;
    }
    if (type == FrameType::l4)
        note_slot(owner.domain(), index);
    return {};
}

} // namespace

void set_linear_tables(bool on) { allowed = on; }

Result<> take_table_entry(Frame& table, unsigned index, std::uint64_t e) {
    auto* child = frame_table().find(entry::frame(e));
    if (child == nullptr)
        return fail(Error::invalid);
    const auto taken = get_type(*child, entry::below(table.type()), table.owner);
    if (taken || taken.error() != Error::invalid) [[likely]]
        return taken;
    return link(table, *child, index, e);
}

bool unlink(Frame& table, std::uint64_t e) {
    auto& child = frame_table().at(entry::frame(e));
    if (&child == &table)
        return false;
    if (is_linear(table, child)) {
        --table.linear_links;
        if (child.type_references() > 1) // the last one leaves a mark, see is_left_by_link()
            ++child.linear_links;
    }
    return true;
}

bool may_reach_hypervisor(const LinearSlots& slots, GuestAddress at, std::size_t bytes) {
    const auto through_slots = [&](GuestAddress page) {
        for (unsigned level = 4; level > 1 && slots.has(table_index(level, page)); --level)
            if (entry::is_hypervisor_slot(FrameType::l4, table_index(level - 1, page)))
                return true;
        return false;
    };
    const auto end = at.value() + bytes; // does not wrap, as the caller knows
    for (auto page = at.value() / page_bytes; page * page_bytes < end; ++page)
        if (through_slots(GuestAddress{page * page_bytes}))
            return true;
    return false;
}

} // namespace bulkhead::hv
