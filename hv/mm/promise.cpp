// Promises: frames that are set aside for a domain until it takes them. The number of free frames is never
// smaller than that of the promised ones, so that a promised frame is always there.
#include "hv/domain/domain.hpp"
#include "hv/mm/frame.hpp"

#include <algorithm>

namespace bulkhead::hv {

std::uint64_t FrameTable::in_pool() const {
    const auto kept = promised_ + reserve_;
    return free_frames() - std::min(free_frames(), kept);
}

bool FrameTable::may_have(const DomainMemory& memory, std::uint64_t frames) const {
    if (memory.max_frames < frames ||
        memory.frames.count + memory.extent.left() + memory.frames_of_dead > memory.max_frames - frames)
        return false;
    return frames - std::min(frames, memory.promised) <= in_pool();
}

void FrameTable::pay(DomainMemory& memory, std::uint64_t frames) {
    const auto paid = std::min(frames, memory.promised);
    memory.promised -= paid;
    promised_ -= paid;
}

void FrameTable::keep_of_dead(DomainMemory& memory) {
    const LockGuard guard{free_lock_};
    ++memory.frames_of_dead;
}

void FrameTable::let_go_of_dead(DomainMemory& memory) {
    const LockGuard guard{free_lock_};
    --memory.frames_of_dead;
}

Result<> FrameTable::promise(DomainMemory& memory, std::uint64_t frames, std::uint64_t metadata) {
    const LockGuard guard{free_lock_};
    if (frames > in_pool() || metadata > in_pool() - frames)
        return fail(Error::no_memory);
    memory.promised = frames;
    memory.metadata_guarantee = metadata;
    promised_ += frames + metadata;
    return {};
}

void FrameTable::end_promise(DomainMemory& memory) {
    const LockGuard guard{free_lock_};
    promised_ -= set_aside(memory);
    memory.promised = memory.metadata_guarantee = 0;
    std::ranges::fill(memory.zones.due, 0);
    memory.zones.changed = true;
}

Result<Mfn> FrameTable::allocate_metadata(DomainMemory& memory) {
    Frame* frame = nullptr;
    {
        const LockGuard guard{free_lock_};
        const bool promised = metadata_set_aside(memory) != 0;
        if (memory.metadata >= memory.max_metadata || (!promised && in_pool() == 0))
            return fail(Error::no_memory);
        ++memory.metadata;
        promised_ -= promised ? 1 : 0;
        frame = &next_free();
        take_from_free(*frame);
    }
    clear(*frame);
    return number(*frame);
}

void FrameTable::free_metadata(Mfn mfn, DomainMemory& memory) {
    auto& frame = own_frame(mfn);
    end_own(frame);
    const LockGuard guard{free_lock_};
    add_to_free(frame);
    --memory.metadata;
    promised_ += memory.metadata < memory.metadata_guarantee ? 1 : 0;
}

} // namespace bulkhead::hv
