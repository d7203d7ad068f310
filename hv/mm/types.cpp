// Validation and release of tables. A table's references are taken entry by entry upward and given back
// downward; `progress` says how many are held, so that both directions can stop anywhere and either can go on
// from there.
#include "hv/mm/types.hpp"

#include "hv/domain/domain.hpp"
#include "hv/mm/descriptors.hpp"
#include "hv/mm/paging.hpp"
#include "hv/mm/tlb.hpp"

#include <cstring>

namespace bulkhead::hv {

namespace {

// Most entries of most tables are empty. Entries are gone through in blocks; after one that held something
// there is a preemption point, and after so many that did not.
constexpr unsigned block = 16, quiet_entries = 128;
static_assert(entry::per_table % block == 0 && quiet_entries % block == 0 && block % 8 == 0);

bool is_empty(const std::uint64_t* of_block) {
    std::uint64_t any = 0;
    for (const auto* e = of_block; e < of_block + block; e += 8)
        any |= e[0] | e[1] | e[2] | e[3] | e[4] | e[5] | e[6] | e[7];
    return !entry::is_present(any);
}

bool stop_here(unsigned at, bool worked, Pace pace) {
    return pace == Pace::preemptible && (worked || at % quiet_entries == 0) && machine::should_preempt();
}

std::uint64_t* contents(const Frame& frame) {
    return machine::frame_as<std::uint64_t>(frame_table().number(frame));
}

// Linear ("self-mapping") tables are not offered: no supported guest uses them, and without them a table's
// references form a tree of at most four levels, so that recursion is bounded and releasing needs no search
// for cycles.
Result<> take_child(const Frame& table, std::uint64_t e) {
    auto* child = frame_table().find(entry::frame(e));
    if (child == nullptr || child->owner != table.owner)
        return fail(Error::invalid);
    return get_type(*child, entry::below(table.type));
}

Result<> take_entry(const Frame& table, unsigned index, std::uint64_t& slot, const Domain& owner) {
    if (table.type == FrameType::descriptors) {
        const auto checked = checked_descriptor(slot);
        BULKHEAD_TRY(checked);
        slot = *checked;
        return {};
    }
    if (!entry::is_present(slot) || entry::is_hypervisor_slot(table.type, index))
        return {};
    if (!entry::is_allowed(table.type, slot))
        return fail(Error::invalid);
    const auto e = entry::sanitised(table.type, slot);
    BULKHEAD_TRY(table.type == FrameType::l1 ? take_leaf(e, Owner{owner.id}) : take_child(table, e));
    if (e != slot)
        slot = e;
    return {};
}

// Where validation of an upper table was interrupted, the entry next in turn may have left its child
// half-validated.
Result<> unwind_next_child(const Frame& table, Pace pace) {
    if (table.type < FrameType::l2 || table.type > FrameType::l4 || table.progress >= entry::per_table ||
        entry::is_hypervisor_slot(table.type, table.progress))
        return {};
    const auto e = contents(table)[table.progress];
    auto* child = entry::is_present(e) ? frame_table().find(entry::frame(e)) : nullptr;
    if (child == nullptr || child->owner != table.owner || child->type != entry::below(table.type) ||
        !is_orphan(*child))
        return {};
    return unwind(*child, pace);
}

// Gives back what entry `progress - 1` holds. A child that loses its last holder becomes an orphan, to be
// unwound next.
void drop_entry(Frame& table) {
    const auto index = static_cast<unsigned>(--table.progress);
    const auto e = contents(table)[index];
    if (!entry::is_present(e) || entry::is_hypervisor_slot(table.type, index))
        return;
    if (table.type == FrameType::l1)
        return drop_leaf(e);
    static_cast<void>(
        put_type(frame_table().at(entry::frame(e)))); // unwind_next_child sees it if it is an orphan now
}

// The index behind the last entry below `at` that is present, not below `least`.
unsigned behind_last_present(const std::uint64_t* entries, unsigned at, unsigned least) {
    while (at > least && !entry::is_present(entries[at - 1]))
        --at;
    return at;
}

// Down to entry `least`. Answers whether any held something.
Result<bool> drop_block(Frame& table, unsigned least, Pace pace) {
    const auto* entries = contents(table);
    if (table.progress == least + block && is_empty(entries + least)) {
        table.progress = static_cast<std::uint16_t>(least);
        return false;
    }
    for (bool worked = false;; worked = true) {
        table.progress = static_cast<std::uint16_t>(behind_last_present(entries, table.progress, least));
        if (table.progress == least)
            return worked;
        drop_entry(table);
        BULKHEAD_TRY(unwind_next_child(table, pace));
    }
}

Result<> drop_entries(Frame& table, Pace pace) {
    if (table.type == FrameType::descriptors)
        table.progress = 0;
    BULKHEAD_TRY(unwind_next_child(table, pace));
    while (table.progress > 0) {
        const auto worked = drop_block(table, (table.progress - 1u) / block * block, pace);
        BULKHEAD_TRY(worked);
        if (table.progress > 0 && stop_here(table.progress, *worked, pace))
            return fail(Error::restart);
    }
    return {};
}

void finish_validation(Frame& table) {
    if (table.type == FrameType::l4)
        machine::install_hypervisor_slots(contents(table));
    table.partial = 0;
    table.validated = 1;
    table.type_references = 1; // the partial state's own reference becomes the holder's
}

// Up to entry `end`. Answers whether any held something.
Result<bool> take_block(Frame& table, unsigned end, const Domain& owner) {
    auto* entries = contents(table);
    const bool all = table.type == FrameType::descriptors; // none of those is empty
    if (!all && table.progress + block == end && is_empty(entries + table.progress)) {
        table.progress = static_cast<std::uint16_t>(end);
        return false;
    }
    bool worked = false;
    for (unsigned i = table.progress; i < end; ++i) {
        if (!entry::is_present(entries[i]) && !all)
            continue;
        table.progress = static_cast<std::uint16_t>(i);
        BULKHEAD_TRY(take_entry(table, i, entries[i], owner));
        worked = true;
    }
    table.progress = static_cast<std::uint16_t>(end);
    return worked;
}

Result<> take_entries(Frame& table, const Domain& owner) {
    while (table.progress < entry::per_table) {
        const auto worked = take_block(table, (table.progress / block + 1u) * block, owner);
        BULKHEAD_TRY(worked);
        if (table.progress < entry::per_table && stop_here(table.progress, *worked, Pace::preemptible))
            return fail(Error::restart);
    }
    return {};
}

Result<> validate(Frame& table, const Domain& owner) {
    table.active = 1;
    const auto taken = take_entries(table, owner);
    table.active = 0;
    if (taken) {
        finish_validation(table);
        return {};
    }
    if (taken.error() == Error::restart)
        return taken;
    table.failure = static_cast<std::uint8_t>(taken.error());
    BULKHEAD_TRY(unwind(table, Pace::preemptible));
    return taken;
}

// A frame in the middle of becoming or having been something else is first brought back to nothing.
Result<> clear_past(Frame& frame, FrameType wanted) {
    const bool same = frame.type == wanted;
    const auto failure = frame.failure;
    if (same && failure == 0)
        return {}; // go on where it stopped
    BULKHEAD_TRY(unwind(frame, Pace::preemptible));
    if (same)
        return fail(static_cast<Error>(failure));
    return {};
}

} // namespace

Result<> get_new_type(Frame& frame, FrameType type) {
    if (frame.active || (frame.shared && type != FrameType::writable))
        return fail(Error::invalid);
    if (frame.partial) {
        ++frame.references; // unwinding may drop the last one
        const auto cleared = clear_past(frame, type);
        --frame.references;
        if (frame.references == 0) {
            ++frame.references;
            frame_table().put(frame);
            return fail(Error::invalid);
        }
        BULKHEAD_TRY(cleared);
    }
    if (!frame.partial && frame.type != type)
        tlb::before_reuse(frame.last_use);
    if (type == FrameType::writable) {
        frame.type = type;
        frame.type_references = 1;
        ++frame.references;
        return {};
    }
    const auto* owner = find_domain(frame.owner.domain());
    if (owner == nullptr || is_ending(owner->memory))
        return fail(Error::invalid);
    if (!frame.partial) {
        frame.type = type;
        frame.partial = 1;
        frame.progress = 0;
        ++frame.references;
    }
    return validate(frame, *owner);
}

void put_plain_type(Frame& frame) {
    if (--frame.type_references == 0)
        frame.last_use = tlb::clock();
    frame_table().put(frame);
}

bool put_type(Frame& frame) {
    if (frame.type_references > 1 || frame.type == FrameType::writable) {
        put_plain_type(frame);
        return false;
    }
    // No processor uses the table any more, and the guest has no use for the hypervisor's entries.
    if (frame.type == FrameType::l4)
        std::memset(contents(frame) + entry::hypervisor_first, 0,
                    (entry::hypervisor_last - entry::hypervisor_first + 1) * sizeof(std::uint64_t));
    frame.type_references = 0; // its reference becomes the partial state's own
    frame.validated = 0;
    frame.partial = 1;
    frame.progress = entry::per_table;
    return true;
}

Result<> unwind(Frame& frame, Pace pace) {
    frame.active = 1;
    const auto dropped = drop_entries(frame, pace);
    frame.active = 0;
    BULKHEAD_TRY(dropped);
    frame.partial = 0;
    frame.failure = 0;
    frame.last_use = tlb::clock();
    frame_table().put(frame);
    return {};
}

void drop_leaf(std::uint64_t e) {
    auto& frame = frame_table().at(entry::frame(e));
    if (entry::is_writable(e))
        put_plain_type(frame);
    else
        frame_table().put(frame);
}

Result<> get_typed(Mfn mfn, FrameType type, const Domain& owner) {
    auto* frame = frame_table().find(mfn);
    if (frame == nullptr || frame->owner != Owner{owner.id} || type == FrameType::none)
        return fail(Error::invalid);
    return get_type(*frame, type);
}

} // namespace bulkhead::hv
