#include "hv/mm/frame.hpp"

#include "hv/domain/domain.hpp"
#include "hv/mm/tlb.hpp"

#include <algorithm>
#include <cstring>

namespace bulkhead::hv {

constinit FrameTable the_frame_table;

void FrameTable::start(Frame* storage, std::uint64_t count) {
    frames_ = storage;
    count_ = std::min<std::uint64_t>(count, UINT32_MAX);
    free_ = {};
    promised_ = reserve_ = 0;
    run_cursor_ = 0;
    for (std::uint64_t i = 0; i < count_; ++i)
        frames_[i].owner = Owner::nobody();
}

void FrameTable::add_free(Mfn first, std::uint64_t count) {
    const auto end = std::min(count_, first.value() + count);
    for (auto i = std::max<std::uint64_t>(first.value(), 1); i < end; ++i) { // number 0 ends lists
        auto& frame = frames_[i];
        if (frame.usable)
            machine::panic("a frame was given to the frame table twice");
        frame.usable = 1;
        append(free_, frame);
    }
}

void FrameTable::append(FrameList& list, Frame& frame) {
    const auto self = static_cast<std::uint32_t>(number(frame).value());
    frame.next = 0;
    frame.previous = list.last;
    if (list.last != 0)
        frames_[list.last].next = self;
    else
        list.first = self;
    list.last = self;
    ++list.count;
}

void FrameTable::remove(FrameList& list, Frame& frame) {
    if (frame.previous != 0)
        frames_[frame.previous].next = frame.next;
    else
        list.first = frame.next;
    if (frame.next != 0)
        frames_[frame.next].previous = frame.previous;
    else
        list.last = frame.previous;
    frame.next = frame.previous = 0;
    --list.count;
}

void FrameTable::move_to_end(Frame& frame, FrameList& list) {
    remove(list, frame);
    append(list, frame);
}

// Contents are wiped when a frame gets its new owner, not when it was freed: once per use, and billed to who
// asks.
void FrameTable::take_from_free(Frame& frame) {
    remove(free_, frame);
    tlb::before_reuse(frame.last_use);
    frame.type = FrameType::none;
    frame.references = 1;
    frame.held = 1;
    std::memset(machine::frame_data(number(frame)), 0, page_bytes);
}

void FrameTable::give_to(Frame& frame, Domain& owner) {
    take_from_free(frame);
    frame.owner = Owner{owner.id};
    append(owner.memory.frames, frame);
    machine::set_m2p(number(frame), machine::m2p_invalid);
}

Result<Mfn> FrameTable::allocate(Domain& owner) {
    const LockGuard guard{free_lock_};
    if (!may_have(owner.memory, 1))
        return fail(Error::no_memory);
    pay(owner.memory, 1);
    auto& frame = frames_[free_.first];
    give_to(frame, owner);
    owner.memory.frames_peak = std::max(owner.memory.frames_peak, owner.memory.frames.count);
    return number(frame);
}

Result<> FrameTable::release(Mfn mfn, const Domain& owner) {
    auto* frame = find(mfn);
    if (frame == nullptr || frame->owner != Owner{owner.id} || frame->shared || !frame->held)
        return fail(Error::invalid);
    frame->held = 0;
    put(*frame);
    return {};
}

Result<Mfn> FrameTable::exchange(Mfn mfn, Domain& owner) {
    const LockGuard guard{free_lock_};
    if (free_.first == 0)
        return fail(Error::no_memory);
    auto& fresh = frames_[free_.first];
    give_to(fresh, owner);
    auto& old = at(mfn);
    remove(owner.memory.frames, old);
    machine::set_m2p(mfn, machine::m2p_invalid);
    old.references = 0;
    add_to_free(old);
    return number(fresh);
}

Result<Mfn> FrameTable::allocate_for_hypervisor() {
    const LockGuard guard{free_lock_};
    if (free_.count <= promised_)
        return fail(Error::no_memory);
    auto& frame = frames_[free_.first];
    take_from_free(frame);
    frame.owner = Owner::hypervisor();
    return number(frame);
}

Frame& FrameTable::own_frame(Mfn mfn) {
    auto* frame = find(mfn);
    if (frame == nullptr || !frame->owner.is_hypervisor() || frame->references != 1)
        machine::panic("the hypervisor gave a frame back that isn't its own or is in use");
    return *frame;
}

void FrameTable::free_for_hypervisor(Mfn mfn) {
    auto& frame = own_frame(mfn);
    frame.held = 0;
    put(frame);
}

void FrameTable::share(Mfn mfn, const Domain& with) {
    auto* frame = find(mfn);
    if (frame == nullptr || !frame->owner.is_hypervisor() || frame->references != 1)
        machine::panic("only an unused frame of the hypervisor can be lent");
    frame->shared = 1;
    frame->owner = Owner{with.id};
}

Result<> FrameTable::take_back(Mfn mfn) {
    auto* frame = find(mfn);
    if (frame == nullptr || !frame->shared)
        return fail(Error::invalid);
    if (frame->references != 1)
        return fail(Error::busy);
    tlb::before_reuse(frame->last_use);
    frame->shared = 0;
    frame->owner = Owner::hypervisor();
    frame->type = FrameType::none;
    machine::set_m2p(mfn, machine::m2p_invalid);
    return {};
}

Result<Frame*> FrameTable::get(Mfn mfn, const Domain& owner) {
    auto* frame = find(mfn);
    if (frame == nullptr || frame->owner != Owner{owner.id})
        return fail(Error::invalid);
    if (frame->references >= max_references)
        return fail(Error::busy);
    ++frame->references;
    return frame;
}

// A frame with no reference has no type reference and no unfinished table work, for each of those is a
// reference.
void FrameTable::free(Frame& frame) {
    if (frame.shared || frame.type_references != 0 || frame.partial || frame.active)
        machine::panic("a frame lost its last reference while in use");
    if (!frame.owner.is_hypervisor()) {
        auto* owner = find_domain(frame.owner.domain());
        if (owner == nullptr)
            machine::panic("a freed frame's owner does not exist");
        remove(owner->memory.frames, frame);
        machine::set_m2p(number(frame), machine::m2p_invalid);
    }
    const LockGuard guard{free_lock_}; // a search for free frames reads owners
    add_to_free(frame);
}

void FrameTable::add_to_free(Frame& frame) {
    frame.owner = Owner::nobody();
    frame.type = FrameType::none;
    frame.held = frame.pinned = frame.validated = frame.lingering = 0;
    frame.failure = 0;
    frame.progress = 0;
    frame.last_use = tlb::clock();
    append(free_, frame);
}

} // namespace bulkhead::hv
