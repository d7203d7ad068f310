// Frames of machines with zones: cutting memory into zones, and which zone a domain's frames come from.
#include "hv/domain/domain.hpp"
#include "hv/mm/frame.hpp"

#include <algorithm>
#include <numeric>

namespace bulkhead::hv {

namespace {

constexpr std::uint32_t longest_wait = 1'000; // requests

} // namespace

// The lowest of the free frames stay the hypervisor's. A part begins where an extent does, so that no extent
// lies in two.
Result<> FrameTable::cut(ZoneKind kind, std::uint32_t zones, std::uint64_t frames) {
    const auto cells = static_cast<std::uint32_t>(Zones::cell_count(kind, count_));
    const auto storage = allocate_contiguous((cells * sizeof(Zones::Cell) + page_bytes - 1) / page_bytes);
    BULKHEAD_TRY(storage);
    const LockGuard guard{free_lock_};
    zones_.begin(kind, zones, machine::frame_as<Zones::Cell>(*storage), cells);
    auto kept = free_.count - std::min(free_.count, frames);
    const auto most = free_.count - kept;
    std::uint64_t entered = 0;
    std::uint32_t zone = 0;
    for (std::uint32_t i = 1; i < count_; ++i) {
        const bool begins_extent = i % extent_frames == 0;
        if (kind == ZoneKind::parts && begins_extent)
            zone = std::max(zone,
                            static_cast<std::uint32_t>(entered * zones / std::max<std::uint64_t>(most, 1)));
        if (!is_free(frames_[i]))
            continue;
        if (kept != 0) {
            --kept;
            continue;
        }
        if (kind == ZoneKind::parts && entered == 0 && !begins_extent)
            continue; // before the first extent
        remove(free_, frames_[i]);
        zones_.enter(i, kind == ZoneKind::parts ? zone : i % zones);
        ++entered;
    }
    for (zone = 0; zone < zones; ++zone)
        if (zones_.at(zone).frames == 0)
            return fail(Error::no_memory);
    return {};
}

void FrameTable::add_due(DomainMemory& memory, std::uint32_t zone, std::uint32_t frames) {
    const LockGuard guard{free_lock_};
    memory.zones.due[zone] += frames;
    memory.zones.changed = true;
}

void FrameTable::end_grants(DomainMemory& memory) {
    const LockGuard guard{free_lock_};
    const auto due = all_due(memory);
    if (due > memory.promised)
        spend(memory, 0, static_cast<std::uint32_t>(due - memory.promised));
}

std::uint64_t FrameTable::all_due(const DomainMemory& memory) const {
    const auto& due = memory.zones.due;
    return std::accumulate(due, due + zones_.count(), std::uint64_t{0});
}

// First what is due in this zone, then what is due elsewhere.
[[gnu::noinline]] void FrameTable::spend(DomainMemory& memory, std::uint32_t zone, std::uint32_t frames) {
    const auto take = [&frames](std::uint32_t& due) {
        const auto some = std::min(due, frames);
        due -= some;
        frames -= some;
    };
    memory.zones.changed = true;
    take(memory.zones.due[zone]);
    for (auto due = std::begin(memory.zones.due); frames != 0 && due != std::end(memory.zones.due); ++due)
        take(*due);
}

Frame& FrameTable::next_free() {
    return frames_[free_.first != 0 ? free_.first : zones_.first_free(zones_.emptiest())];
}

[[gnu::noinline]] Frame& FrameTable::next_free(const DomainMemory& memory) {
    if (zones_.is_cut()) [[unlikely]] {
        for (std::uint32_t zone = 0; zone < zones_.count(); ++zone)
            if (memory.zones.due[zone] != 0 && zones_.at(zone).free != 0)
                return frames_[zones_.first_free(zone)];
    }
    return next_free();
}

Result<> FrameTable::begin_extent(DomainMemory& memory, std::uint64_t pfn) {
    const LockGuard guard{free_lock_};
    const auto& due = memory.zones.due;
    if (zones_.kind() != ZoneKind::parts || !may_have(memory, extent_frames) ||
        all_due(memory) < extent_frames)
        return fail(Error::no_memory);
    for (std::uint32_t zone = 0; zone < zones_.count(); ++zone) {
        const auto first = due[zone] != 0 ? zones_.reserve(zone) : 0;
        if (first == 0)
            continue;
        pay(memory, extent_frames);
        spend(memory, zone, extent_frames);
        memory.extent = {.first = first, .pfn = pfn};
        return {};
    }
    return fail(Error::no_memory);
}

// The next frame of the domain's extent.
void FrameTable::make_frame(Domain& owner) {
    auto& memory = owner.memory;
    auto& extent = memory.extent;
    auto& frame = frames_[extent.first + extent.done];
    {
        const LockGuard guard{free_lock_};
        zones_.take_reserved(extent.first + extent.done);
        become_own(frame);
        join(memory, frame);
        memory.frames_peak = std::max(memory.frames_peak, memory.frames.count);
        ++extent.done;
    }
    give_to(frame, owner, extent.pfn == machine::m2p_invalid ? extent.pfn : extent.pfn + extent.done - 1);
}

void FrameTable::end_extent(DomainMemory& memory) {
    const LockGuard guard{free_lock_};
    if (memory.extent.left() != 0)
        zones_.end_reserve(memory.extent.first);
    memory.extent = {};
    memory.zones.changed = true;
}

// What the domain has of it, and was not told of, goes back.
Result<> FrameTable::undo_extent(Domain& owner) {
    auto& extent = owner.memory.extent;
    if (!extent.undone) {
        const LockGuard guard{free_lock_};
        zones_.end_reserve(extent.first);
        extent.undone = owner.memory.zones.changed = true;
    }
    while (extent.done > 0) {
        static_cast<void>(release(Mfn{extent.first + --extent.done}, owner));
        if (machine::should_preempt())
            return fail(Error::restart);
    }
    extent = {};
    return {};
}

// Two vCPUs may each want one. The second request waits for the first. If nobody goes on with that, as its
// vCPU is in another handler or was stopped, its extent is given up.
[[gnu::noinline]] Result<Mfn> FrameTable::allocate_extent(Domain& owner, std::uint64_t pfn) {
    auto& extent = owner.memory.extent;
    if (extent.is_under_way() && (extent.undone || extent.pfn != pfn)) {
        if (extent.undone || ++extent.waiting >= longest_wait)
            BULKHEAD_TRY(undo_extent(owner));
        return fail(Error::restart);
    }
    if (!extent.is_under_way())
        BULKHEAD_TRY(begin_extent(owner.memory, pfn));
    extent.waiting = 0;
    for (;;) {
        make_frame(owner);
        if (extent.left() == 0)
            break;
        if (machine::should_preempt())
            return fail(Error::restart);
    }
    const Mfn first{extent.first};
    extent = {};
    return first;
}

} // namespace bulkhead::hv
