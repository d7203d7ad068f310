// Contiguous allocation: looking for a run of free frames in the frame table, in order of frame number.
#include "hv/domain/domain.hpp"
#include "hv/mm/frame.hpp"

#include <algorithm>
#include <bit>

namespace bulkhead::hv {

namespace {

constexpr std::uint64_t frames_looked_at = 512; // by one guest's request: about 4000 instructions

} // namespace

// Whether this free frame is one that an extent is being made of.
bool FrameTable::is_of_extent(const Frame& frame) const {
    return frame.is_zoned() && zones_.is_reserved(static_cast<std::uint32_t>(&frame - frames_));
}

// The first free run of so many aligned frames at or after where the search begins, wrapping around once,
// among as many frames as it may look at; 0 if there is none.
std::uint64_t FrameTable::find_run(std::uint64_t frames, std::uint64_t alignment,
                                   const Search& search) const {
    if (frames == 0 || frames > count_)
        return 0;
    const auto starts = (count_ - frames) / alignment + 1;
    const auto is_good = [&](const Frame& frame) {
        return is_free(frame) && (search.place == 0 || frame.place == search.place) && !is_of_extent(frame);
    };
    auto budget = search.budget;
    for (std::uint64_t i = 0, n = search.from / alignment % starts; i < starts;
         ++i, n = n + 1 < starts ? n + 1 : 0) {
        const auto start = n * alignment;
        std::uint64_t good = 0;
        while (good < frames && budget > 0 && is_good(frames_[start + good]))
            ++good, --budget;
        if (good == frames && start != 0)
            return start;
        if (budget == 0 || --budget == 0)
            return 0;
    }
    return 0;
}

// Takes the run if it is all free still.
bool FrameTable::claim_run(std::uint64_t start, std::uint64_t frames, DomainMemory* memory) {
    for (auto i = start; i < start + frames; ++i)
        if (!is_free(frames_[i]) || is_of_extent(frames_[i]))
            return false;
    for (auto i = start; i < start + frames; ++i) {
        take_from_free(frames_[i]);
        if (memory != nullptr)
            join(*memory, frames_[i]);
    }
    return true;
}

Result<Mfn> FrameTable::allocate_contiguous(std::uint64_t frames) {
    const auto start =
        find_run(frames, std::bit_ceil(std::max<std::uint64_t>(frames, 1)), {run_cursor_, UINT64_MAX});
    {
        const LockGuard guard{free_lock_};
        if (start == 0 || free_frames() < promised_ + frames || !claim_run(start, frames, nullptr))
            return fail(Error::no_memory);
    }
    run_cursor_ = start + frames;
    for (auto i = start; i < start + frames; ++i)
        clear(frames_[i]);
    return Mfn{start};
}

std::uint64_t FrameTable::find_any_run(std::uint64_t frames) {
    const std::uint64_t from = run_cursor_;
    const auto start = find_run(frames, frames, {from, frames_looked_at});
    run_cursor_ = start != 0                         ? start + frames
                  : from + frames_looked_at < count_ ? from + frames_looked_at
                                                     : 0;
    return start;
}

// In a machine with zones: in those in which frames are due to the domain. 0 if there is none.
[[gnu::noinline]] std::uint64_t FrameTable::find_due_run(const DomainMemory& memory, std::uint64_t frames) {
    if (zones_.kind() == ZoneKind::colours)
        return 0; // neighbours have different colours
    for (std::uint32_t number = 0; number < zones_.count(); ++number) {
        auto& zone = zones_.at(number);
        if (memory.zones.due[number] == 0 || zone.free < frames)
            continue;
        const std::uint64_t from = zone.cursor;
        const auto start = find_run(frames, frames, {from, frames_looked_at, Frame::place_of(number)});
        const auto next = start != 0 ? start + frames : from + frames_looked_at;
        zone.cursor = next < zone.end ? static_cast<std::uint32_t>(next) : zone.start;
        return start;
    }
    return 0;
}

// The search takes no lock: it may find a run that another pCPU takes first, and then answers no_memory.
Result<Mfn> FrameTable::allocate_run(Domain& owner, unsigned order, std::uint64_t pfn) {
    if (order == 0)
        return allocate(owner, pfn);
    if (order == extent_order)
        return allocate_extent(owner, pfn);
    auto& memory = owner.memory;
    const auto frames = std::uint64_t{1} << std::min(order, max_run_order);
    if (order > max_run_order)
        return fail(Error::no_memory);
    const auto start =
        zones_.is_cut() && all_due(memory) != 0 ? find_due_run(memory, frames) : find_any_run(frames);
    if (start == 0)
        return fail(Error::no_memory);
    {
        const LockGuard guard{free_lock_};
        if (!may_have(memory, frames) || !claim_run(start, frames, &memory))
            return fail(Error::no_memory);
        pay(memory, frames);
        if (zones_.is_cut() && frames_[start].is_zoned())
            spend(memory, frames_[start].zone(), static_cast<std::uint32_t>(frames));
        memory.frames_peak = std::max(memory.frames_peak, memory.frames.count);
    }
    for (auto i = start; i < start + frames; ++i)
        give_to(frames_[i], owner, pfn == machine::m2p_invalid ? pfn : pfn + (i - start));
    return Mfn{start};
}

} // namespace bulkhead::hv
