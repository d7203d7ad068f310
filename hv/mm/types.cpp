// Validation and release of tables. A table's references are taken entry by entry upward and given back
// downward; `progress` says how many are held, so that both directions can stop anywhere and either can go on
// from there.
#include "hv/mm/types.hpp"

#include "hv/domain/domain.hpp"
#include "hv/mm/descriptors.hpp"
#include "hv/mm/linear.hpp"
#include "hv/mm/pae.hpp"
#include "hv/mm/pae_m2p.hpp"
#include "hv/mm/paging.hpp"
#include "hv/mm/tlb.hpp"

#include <algorithm>
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

bool stop_here(unsigned at, bool worked) {
    return (worked || at % quiet_entries == 0) && machine::should_preempt();
}

std::uint64_t* contents(const Frame& frame) {
    return machine::frame_as<std::uint64_t>(frame_table().number(frame));
}

// What differs between the tables of 64-bit and of 32-bit guests. A table's type says once which it is, so
// that the loops below ask nothing.
struct Wide {
    static constexpr FrameType descriptors = FrameType::descriptors, leaves = FrameType::l1;
    static bool has_children(FrameType type) { return type >= FrameType::l2 && type <= FrameType::l4; }
    static bool is_closed(FrameType type, unsigned index) { return entry::is_hypervisor_slot(type, index); }
    static bool is_allowed(FrameType type, std::uint64_t e) { return entry::is_allowed(type, e); }
    static std::uint64_t sanitised(FrameType type, std::uint64_t e) { return entry::sanitised(type, e); }
    static auto checked(std::uint64_t descriptor) { return checked_descriptor(descriptor); }
    static Result<> take_child(Frame& table, unsigned index, std::uint64_t e) {
        return take_table_entry(table, index, e);
    }
    // Whether entry `index` left `child`, which has the type `now`, half-done.
    static bool names(FrameType type, unsigned, const Frame& child, FrameType now) {
        return now == entry::below(type) || (now == type && is_left_by_link(child));
    }
    static bool unlink(Frame& table, std::uint64_t e) { return hv::unlink(table, e); }
    static void close(std::uint64_t&) {} // the hypervisor's entries are written at the end
    static void begin_drop(const Frame&) {}
    static void end_take(const Frame&) {}
};

struct Pae {
    static constexpr FrameType descriptors = FrameType::pae_descriptors, leaves = FrameType::pae_l1;
    static bool has_children(FrameType type) { return pae::is_table(type) && type != leaves; }
    static bool is_closed(FrameType type, unsigned index) { return pae::is_closed_slot(type, index); }
    static bool is_allowed(FrameType type, std::uint64_t e) { return pae::is_allowed(type, e); }
    static std::uint64_t sanitised(FrameType type, std::uint64_t e) { return pae::sanitised(type, e); }
    static auto checked(std::uint64_t descriptor) { return checked_pae_descriptor(descriptor); }
    static Result<> take_child(Frame& table, unsigned index, std::uint64_t e) {
        auto* child = frame_table().find(entry::frame(e));
        return child == nullptr ? fail(Error::invalid)
                                : get_type(*child, pae::child_type(table.type(), index), table.owner);
    }
    static bool names(FrameType type, unsigned index, const Frame&, FrameType now) {
        return now == pae::child_type(type, index);
    }
    static bool unlink(const Frame&, std::uint64_t) { return true; }
    static void close(std::uint64_t& slot) { slot = 0; } // the processor walks all 512
    static void end_take(const Frame& table) {
        if (table.type() == FrameType::pae_l2_top)
            pae::install_hole(contents(table));
    }
    // No processor uses the table any more, and the guest has no use for the hypervisor's entries.
    static void begin_drop(const Frame& table) {
        if (table.type() == FrameType::pae_l2_top)
            std::memset(contents(table) + pae::first_hole_slot, 0,
                        (entry::per_table - pae::first_hole_slot) * sizeof(std::uint64_t));
    }
};

bool is_pae(FrameType type) { return pae::is_table(type) || type == FrameType::pae_descriptors; }

template<class Width>
Result<> take_entry(Frame& table, unsigned index, std::uint64_t& slot, const Domain& owner) {
    const auto type = table.type();
    if (type == Width::descriptors) {
        const auto checked = Width::checked(slot);
        BULKHEAD_TRY(checked);
        slot = *checked;
        return {};
    }
    if (!entry::is_present(slot))
        return {};
    if (Width::is_closed(type, index)) {
        Width::close(slot);
        return {};
    }
    if (!Width::is_allowed(type, slot))
        return fail(Error::invalid);
    const auto e = Width::sanitised(type, slot);
    BULKHEAD_TRY(type == Width::leaves ? take_leaf(e, Owner{owner.id}) : Width::take_child(table, index, e));
    if (e != slot)
        slot = e;
    return {};
}

// Where validation of an upper table was interrupted, the entry next in turn may have left its child
// half-validated, or one that was dropped its child half-released. A table of the same level is followed only
// if a linear entry left it, and such a table follows no other: recursion is seven deep at most.
template<class Width>
Result<> unwind_next_child(const Frame& table) {
    const auto type = table.type();
    if (!Width::has_children(type) || table.progress >= entry::per_table ||
        Width::is_closed(type, table.progress))
        return {};
    const auto e = contents(table)[table.progress];
    auto* child = entry::is_present(e) ? frame_table().find(entry::frame(e)) : nullptr;
    if (child == nullptr)
        return {};
    const auto now = child->now();
    const bool below = Width::names(type, table.progress, *child, now.type());
    if (!now.partial() || !below || !child->belongs_to(table.owner) || child->active)
        return {};
    return unwind(*child);
}

// Gives back what entry `progress - 1` holds. A child that loses its last holder becomes an orphan, to be
// unwound next.
template<class Width>
void drop_entry(Frame& table) {
    const auto index = static_cast<unsigned>(--table.progress);
    const auto e = contents(table)[index];
    const auto type = table.type();
    if (!entry::is_present(e) || Width::is_closed(type, index))
        return;
    if (type == Width::leaves)
        return drop_leaf(e);
    if (Width::unlink(table, e)) // unwind_next_child sees it if it is an orphan now
        static_cast<void>(put_type(frame_table().at(entry::frame(e))));
}

// The index behind the last entry below `at` that is present, not below `least`.
unsigned behind_last_present(const std::uint64_t* entries, unsigned at, unsigned least) {
    while (at > least && !entry::is_present(entries[at - 1]))
        --at;
    return at;
}

// Down to entry `least`. Answers whether any held something.
template<class Width>
Result<bool> drop_block(Frame& table, unsigned least) {
    const auto* entries = contents(table);
    if (table.progress == least + block && is_empty(entries + least)) {
        table.progress = static_cast<std::uint16_t>(least);
        return false;
    }
    for (bool worked = false;; worked = true) {
        table.progress = static_cast<std::uint16_t>(behind_last_present(entries, table.progress, least));
        if (table.progress == least)
            return worked;
        drop_entry<Width>(table);
        BULKHEAD_TRY(unwind_next_child<Width>(table));
    }
}

template<class Width>
Result<> drop_entries(Frame& table) {
    if (table.type() == Width::descriptors)
        table.progress = 0;
    Width::begin_drop(table);
    BULKHEAD_TRY(unwind_next_child<Width>(table));
    while (table.progress > 0) {
        const auto worked = drop_block<Width>(table, (table.progress - 1u) / block * block);
        BULKHEAD_TRY(worked);
        if (table.progress > 0 && stop_here(table.progress, *worked))
            return fail(Error::restart);
    }
    return {};
}

void finish_validation(Frame& table) {
    if (table.type() == FrameType::l4)
        machine::install_hypervisor_slots(contents(table));
    // The partial state's own reference becomes the holder's.
    table.counts.fetch_add(FrameCounts::one_typed_use + FrameCounts::validated_bit - FrameCounts::partial_bit,
                           std::memory_order_acq_rel);
}

// Up to entry `end`. Answers whether any held something.
template<class Width>
Result<bool> take_block(Frame& table, unsigned end, const Domain& owner) {
    auto* entries = contents(table);
    const bool all = table.type() == Width::descriptors; // none of those is empty
    if (!all && table.progress + block == end && is_empty(entries + table.progress)) {
        table.progress = static_cast<std::uint16_t>(end);
        return false;
    }
    bool worked = false;
    for (unsigned i = table.progress; i < end; ++i) {
        if (!entry::is_present(entries[i]) && !all)
            continue;
        table.progress = static_cast<std::uint16_t>(i);
        BULKHEAD_TRY(take_entry<Width>(table, i, entries[i], owner));
        worked = true;
    }
    table.progress = static_cast<std::uint16_t>(end);
    return worked;
}

template<class Width>
Result<> take_entries(Frame& table, const Domain& owner) {
    while (table.progress < entry::per_table) {
        const auto worked = take_block<Width>(table, (table.progress / block + 1u) * block, owner);
        BULKHEAD_TRY(worked);
        if (table.progress < entry::per_table && stop_here(table.progress, *worked))
            return fail(Error::restart);
    }
    Width::end_take(table);
    return {};
}

Result<> validate(Frame& table, const Domain& owner) {
    table.active = 1;
    const auto taken =
        is_pae(table.type()) ? take_entries<Pae>(table, owner) : take_entries<Wide>(table, owner);
    table.active = 0;
    if (taken) {
        finish_validation(table);
        return {};
    }
    if (taken.error() == Error::restart)
        return taken;
    table.failure = static_cast<std::uint8_t>(taken.error());
    BULKHEAD_TRY(unwind(table));
    return taken;
}

// A frame in the middle of becoming or having been something else is first brought back to nothing.
Result<> clear_past(Frame& frame, FrameType wanted) {
    const bool same = frame.type() == wanted;
    const auto failure = frame.failure;
    if (same && failure == 0) { // go on where it stopped
        frame.linear_links = std::max<std::int16_t>(frame.linear_links, 0);
        return {};
    }
    BULKHEAD_TRY(unwind(frame));
    if (same)
        return fail(static_cast<Error>(failure));
    return {};
}

// The same by a caller with a reference of its own. A frame that only this one keeps was given up before, and
// goes.
Result<> clear_past_held(Frame& frame, FrameType wanted) {
    BULKHEAD_TRY(clear_past(frame, wanted));
    return frame.references() == 1 ? fail(Error::invalid) : Result<>{};
}

// From no use of any type to `changed`; `invalid` if another pCPU was faster. The counts of references may
// change meanwhile.
template<class Change>
Result<> turn_unused(Frame& frame, Change changed) {
    auto seen = frame.counts.load(std::memory_order_acquire);
    do
        if (const FrameCounts now{seen}; now.type_references() != 0 || now.partial())
            return fail(Error::invalid);
    while (!frame.counts.compare_exchange_weak(seen, changed(FrameCounts{seen}), std::memory_order_acq_rel));
    return {};
}

// The caller's reference becomes that of the use.
Result<> turn_writable(Frame& frame) {
    if (frame.type() != FrameType::writable && frame.type() != FrameType::none)
        tlb::before_reuse(frame.last_use.load(std::memory_order_relaxed));
    return turn_unused(frame, [](FrameCounts now) {
        return now.with_type(FrameType::writable).word() + FrameCounts::one_typed_use;
    });
}

// The caller's reference becomes that of the partial state. Then no data use of the frame can begin any more,
// and what translations of earlier ones are left is flushed.
Result<> begin_table(Frame& frame, FrameType type) {
    const bool other_type = frame.type() != type;
    BULKHEAD_TRY(turn_unused(
        frame, [&](FrameCounts now) { return now.with_type(type).word() | FrameCounts::partial_bit; }));
    frame.progress = 0;
    if (other_type)
        tlb::before_reuse(frame.last_use.load(std::memory_order_relaxed));
    return {};
}

// With a reference of the caller's, which is used up on success and on restart within a table's validation.
Result<> make_type(Frame& frame, FrameType type, const Domain& owner) {
    if (frame.partial())
        BULKHEAD_TRY(clear_past_held(frame, type));
    if (type == FrameType::writable)
        return turn_writable(frame);
    if (is_ending(owner.memory))
        return fail(Error::invalid);
    if (!frame.partial())
        return begin_table(frame, type);
    frame_table().put(frame); // the partial state has its own
    return {};
}

} // namespace

Result<> take_slowly(Frame& frame, FrameType type, Owner owner) {
    BULKHEAD_TRY(frame.take_reference(owner));
    if (const auto now = frame.now(); now.type_references() != 0) {
        frame_table().put(frame);
        // Another pCPU may have made just the type that is wanted.
        return now.type() == type && take_existing(frame, type, owner) ? Result<>{} : fail(Error::invalid);
    }
    if (frame.active || (frame.shared && type != FrameType::writable)) {
        frame_table().put(frame);
        return fail(Error::invalid);
    }
    const auto* domain = find_domain(owner.domain());
    const auto made = domain != nullptr ? make_type(frame, type, *domain) : fail(Error::invalid);
    if (!made) {
        frame_table().put(frame);
        return made;
    }
    return type == FrameType::writable ? Result<>{} : validate(frame, *domain);
}

bool take_fresh_writable(Frame& frame, Owner owner) {
    if (!frame.take_reference(owner))
        return false;
    auto seen = frame.counts.load(std::memory_order_acquire);
    do {
        const FrameCounts now{seen};
        if (now.type() != FrameType::none && now.type() != FrameType::writable) {
            frame_table().put(frame);
            return false;
        }
    } while (!frame.counts.compare_exchange_weak(
        seen, FrameCounts{seen}.with_type(FrameType::writable).word() + FrameCounts::one_typed_use,
        std::memory_order_acq_rel));
    return true;
}

bool put_type(Frame& frame) {
    const auto now = frame.now();
    if (now.type_references() > 1 || now.type() == FrameType::writable) {
        put_plain_type(frame);
        return false;
    }
    // No processor uses the table any more, and the guest has no use for the hypervisor's entries.
    if (now.type() == FrameType::l4)
        std::memset(contents(frame) + entry::hypervisor_first, 0,
                    (entry::hypervisor_last - entry::hypervisor_first + 1) * sizeof(std::uint64_t));
    frame.progress = entry::per_table;
    // Its reference becomes the partial state's own.
    frame.counts.fetch_sub(FrameCounts::one_typed_use + FrameCounts::validated_bit - FrameCounts::partial_bit,
                           std::memory_order_acq_rel);
    return true;
}

Result<> unwind(Frame& frame) {
    frame.active = 1;
    const auto dropped = is_pae(frame.type()) ? drop_entries<Pae>(frame) : drop_entries<Wide>(frame);
    frame.active = 0;
    BULKHEAD_TRY(dropped);
    frame.failure = 0;
    frame.linear_links = 0;
    frame.note_use();
    frame.counts.fetch_sub(FrameCounts::partial_bit, std::memory_order_acq_rel);
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
    if (frame == nullptr || type == FrameType::none)
        return fail(Error::invalid);
    return get_type(*frame, type, Owner{owner.id});
}

} // namespace bulkhead::hv
