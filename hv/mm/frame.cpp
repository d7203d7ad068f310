#include "hv/domain/domain.hpp"
#include "hv/mm/frame_list.hpp"
#include "hv/mm/pae_m2p.hpp"
#include "hv/mm/tlb.hpp"

#include <algorithm>
#include <cstring>
#include <span>

namespace bulkhead::hv {

namespace {

constexpr unsigned rounds_until_stuck = 1U << 20;

} // namespace

constinit FrameTable the_frame_table;

void FrameTable::start(Frame* storage, std::uint64_t count) {
    frames_ = storage;
    count_ = std::min<std::uint64_t>(count, UINT32_MAX);
    free_ = {};
    zones_.start(storage);
    promised_ = reserve_ = 0;
    run_cursor_ = 0;
    for (auto& frame : std::span{storage, count_})
        frame.owner.store(Owner::nobody(), std::memory_order_relaxed);
}

void FrameTable::add_free(Mfn first, std::uint64_t count) {
    const auto start = std::max<std::uint64_t>(first.value(), 1); // number 0 ends lists
    const auto end = std::min(count_, first.value() + count);
    if (start >= end)
        return;
    auto number = static_cast<std::uint32_t>(start);
    auto previous = free_.last;
    for (auto& frame : std::span{frames_ + start, frames_ + end}) { // as append() does, for a whole run
        if (frame.place != 0)
            machine::panic("a frame was given to the frame table twice");
        frame.place = 1;
        frame.previous = previous;
        frame.next = number + 1;
        previous = number++;
    }
    frames_[end - 1].next = 0;
    if (free_.last != 0)
        frames_[free_.last].next = static_cast<std::uint32_t>(start);
    else
        free_.first = static_cast<std::uint32_t>(start);
    free_.last = static_cast<std::uint32_t>(end - 1);
    free_.count += end - start;
}

void FrameTable::append(FrameList& list, Frame& frame) {
    append_to(list, frames_, static_cast<std::uint32_t>(number(frame).value()));
}

void FrameTable::remove(FrameList& list, Frame& frame) {
    remove_from(list, frames_, static_cast<std::uint32_t>(number(frame).value()));
}

void FrameTable::join(DomainMemory& memory, Frame& frame) {
    append(memory.frames, frame);
    memory.zones.changed = true;
    if (frame.is_zoned())
        ++memory.zones.has[frame.zone()];
}

void FrameTable::part(DomainMemory& memory, Frame& frame) {
    remove(memory.frames, frame);
    memory.zones.changed = true;
    if (frame.is_zoned())
        --memory.zones.has[frame.zone()];
}

void FrameTable::move_to_end(Frame& frame, FrameList& list) {
    const LockGuard guard{free_lock_};
    remove(list, frame);
    append(list, frame);
}

// Nobody finds a frame of the hypervisor by its number, so that it can be cleared in peace.
void FrameTable::take_from_free(Frame& frame) {
    frame.is_zoned() ? zones_.take(static_cast<std::uint32_t>(number(frame).value())) : remove(free_, frame);
    become_own(frame);
}

void FrameTable::become_own(Frame& frame) {
    frame.owner.store(Owner::hypervisor(), std::memory_order_release);
    frame.held = 1;
    frame.counts.store(FrameCounts::one_reference, std::memory_order_release);
}

// Contents are wiped when a frame gets its new owner, not when it was freed: once per use, and billed to who
// asks.
void FrameTable::clear(Frame& frame) {
    tlb::before_reuse(frame.last_use.load(std::memory_order_relaxed));
    machine::clear_frame(number(frame));
}

void FrameTable::give_to(Frame& frame, Domain& owner, std::uint64_t pfn) {
    clear(frame);
    machine::set_m2p(number(frame), pfn);
    if (owner.pae) [[unlikely]]
        pae::set_m2p(number(frame), pfn);
    frame.owner.store(Owner{owner.id}, std::memory_order_release);
}

Result<Mfn> FrameTable::allocate(Domain& owner, std::uint64_t pfn) {
    auto& memory = owner.memory;
    Frame* frame = nullptr;
    {
        const LockGuard guard{free_lock_};
        if (!may_have(memory, 1))
            return fail(Error::no_memory);
        pay(memory, 1);
        frame = zones_.is_cut() ? &next_free(memory) : &frames_[free_.first];
        take_from_free(*frame);
        if (zones_.is_cut())
            spend(memory, frame->is_zoned() ? frame->zone() : 0, 1);
        join(memory, *frame);
        memory.frames_peak = std::max(memory.frames_peak, memory.frames.count);
    }
    give_to(*frame, owner, pfn);
    return number(*frame);
}

Frame* FrameTable::find_held(Mfn mfn, const Domain& owner) {
    auto* frame = find(mfn);
    if (frame == nullptr || !frame->take_reference(Owner{owner.id}))
        return nullptr;
    const bool held = frame->held && !frame->shared;
    put(*frame);
    return held ? frame : nullptr;
}

Result<> FrameTable::set_pfn(Mfn mfn, std::uint64_t pfn, const Domain& owner) {
    const auto frame = get(mfn, owner);
    if (!frame)
        return fail(Error::invalid);
    machine::set_m2p(mfn, pfn);
    if (owner.pae) [[unlikely]]
        pae::set_m2p(mfn, pfn);
    put(**frame);
    return {};
}

Result<> FrameTable::release(Mfn mfn, const Domain& owner) {
    auto* frame = find_held(mfn, owner);
    if (frame == nullptr)
        return fail(Error::invalid);
    frame->held = 0;
    put(*frame);
    return {};
}

Result<Mfn> FrameTable::exchange(Mfn mfn, Domain& owner) {
    auto* old = find_held(mfn, owner);
    if (old == nullptr)
        return fail(Error::invalid);
    Frame* fresh = nullptr;
    {
        const LockGuard guard{free_lock_};
        const auto next = old->is_zoned() ? zones_.first_free(old->zone()) : free_.first;
        if (next == 0)
            return fail(Error::no_memory);
        if (!old->end_only_reference())
            return fail(Error::invalid);
        fresh = &frames_[next];
        take_from_free(*fresh);
        join(owner.memory, *fresh);
        part(owner.memory, *old);
        machine::set_m2p(mfn, machine::m2p_invalid);
        add_to_free(*old);
    }
    give_to(*fresh, owner, machine::m2p_invalid);
    return number(*fresh);
}

Result<Mfn> FrameTable::allocate_for_hypervisor() {
    Frame* frame = nullptr;
    {
        const LockGuard guard{free_lock_};
        if (free_frames() <= promised_)
            return fail(Error::no_memory);
        frame = &next_free();
        take_from_free(*frame);
    }
    clear(*frame);
    return number(*frame);
}

Frame& FrameTable::own_frame(Mfn mfn) {
    auto* frame = find(mfn);
    if (frame == nullptr || !frame->belongs_to(Owner::hypervisor()) || !frame->held)
        machine::panic("the hypervisor gave a frame back that isn't its own");
    return *frame;
}

// A pCPU that looked for the frame's former owner may hold a reference for a moment, see take_reference().
void FrameTable::end_own(Frame& frame) {
    for (unsigned round = 0; !frame.end_only_reference(); ++round) {
        if (round == rounds_until_stuck)
            machine::panic("the hypervisor gave a frame back that is in use");
        machine::wait_a_little();
    }
}

void FrameTable::free_for_hypervisor(Mfn mfn) {
    auto& frame = own_frame(mfn);
    end_own(frame);
    const LockGuard guard{free_lock_};
    add_to_free(frame);
}

void FrameTable::share(Mfn mfn, const Domain& with) {
    auto* frame = find(mfn);
    if (frame == nullptr || !frame->belongs_to(Owner::hypervisor()))
        machine::panic("only a frame of the hypervisor can be lent");
    frame->shared = true;
    frame->owner.store(Owner{with.id}, std::memory_order_release);
}

Result<> FrameTable::take_back(Mfn mfn) {
    auto* frame = find(mfn);
    if (frame == nullptr || !frame->shared)
        return fail(Error::invalid);
    const Owner borrower = frame->owner;
    frame->owner.store(Owner::hypervisor()); // a reference that is taken from now on goes back at once
    if (frame->references() != 1) {
        frame->owner.store(borrower);
        return fail(Error::busy);
    }
    tlb::before_reuse(frame->last_use.load(std::memory_order_relaxed));
    frame->shared = false;
    frame->counts.fetch_and(~FrameCounts::type_mask, std::memory_order_acq_rel);
    machine::set_m2p(mfn, machine::m2p_invalid);
    return {};
}

Result<Frame*> FrameTable::get(Mfn mfn, const Domain& owner) {
    auto* frame = find(mfn);
    if (frame == nullptr)
        return fail(Error::invalid);
    BULKHEAD_TRY(frame->take_reference(Owner{owner.id}));
    return frame;
}

Result<Frame*> FrameTable::get_first(const FrameList& list) {
    const LockGuard guard{free_lock_};
    for (auto i = list.first; i != 0; i = frames_[i].next)
        if (frames_[i].take_reference(frames_[i].owner))
            return &frames_[i];
    return list.first == 0 ? Result<Frame*>{nullptr} : fail(Error::restart);
}

bool FrameTable::free_first(DomainMemory& memory) {
    const LockGuard guard{free_lock_};
    if (memory.frames.first == 0)
        return false;
    auto& frame = frames_[memory.frames.first];
    if (!frame.held || !frame.end_only_reference())
        return false;
    part(memory, frame);
    machine::set_m2p(number(frame), machine::m2p_invalid);
    add_to_free(frame);
    return true;
}

// A frame with no reference has no type reference and no unfinished table work, for each of those is a
// reference. Its owner exists while the frame is in the owner's list.
void FrameTable::free(Frame& frame) {
    if (frame.shared || (frame.now().word() & ~FrameCounts::type_mask) != 0 || frame.active)
        machine::panic("a frame lost its last reference while in use");
    const LockGuard guard{free_lock_};
    if (const auto whose = frame.owner.load(std::memory_order_relaxed); whose.is_domain()) {
        auto* owner = find_domain(whose.domain());
        if (owner == nullptr)
            machine::panic("a freed frame's owner does not exist");
        part(owner->memory, frame);
        machine::set_m2p(number(frame), machine::m2p_invalid);
    }
    add_to_free(frame);
}

// With the lock held, a frame without references that is in no list.
void FrameTable::add_to_free(Frame& frame) {
    frame.last_use.store(tlb::clock(), std::memory_order_relaxed);
    frame.counts.store(0, std::memory_order_relaxed);
    frame.held = frame.pinned = frame.lingering = 0;
    frame.failure = 0;
    frame.progress = 0;
    frame.linear_links = 0;
    frame.owner.store(Owner::nobody(), std::memory_order_release);
    frame.is_zoned() ? zones_.put(static_cast<std::uint32_t>(number(frame).value())) : append(free_, frame);
}

bool Frame::end_only_reference() {
    auto seen = counts.load(std::memory_order_acquire);
    do
        if ((seen & ~FrameCounts::type_mask) != FrameCounts::one_reference)
            return false;
    while (!counts.compare_exchange_weak(seen, 0, std::memory_order_acq_rel));
    return true;
}

// Another pCPU may drop a later translation between the two readings: the latest one stays.
void Frame::note_use() {
    const auto clock = tlb::clock();
    auto seen = last_use.load(std::memory_order_relaxed);
    while (static_cast<std::int32_t>(clock - seen) > 0 &&
           !last_use.compare_exchange_weak(seen, clock, std::memory_order_relaxed))
        ;
}

Result<> undo_reference(Frame& frame, std::uint64_t what) {
    if (what == FrameCounts::one_reference)
        frame_table().put(frame);
    else
        frame_table().put_typed_use(frame);
    return fail(Error::invalid);
}

} // namespace bulkhead::hv
