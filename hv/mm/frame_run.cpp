// Contiguous allocation: looking for a run of free frames in the frame table, in order of frame number.
#include "hv/core/domain.hpp"
#include "hv/mm/frame.hpp"

#include <algorithm>
#include <bit>

namespace bulkhead::hv {

namespace {

constexpr unsigned max_order = 9;
constexpr std::uint64_t frames_looked_at = 8192; // by one guest's request: some tens of microseconds

bool is_free(const Frame& frame) { return frame.usable && frame.owner == nobody; }

} // namespace

// The first free run among `most_starts` aligned starts from `from` on; 0 if there is none.
std::uint64_t FrameTable::find_run(std::uint64_t frames, std::uint64_t alignment, std::uint64_t from,
                                   std::uint64_t most_starts) {
    auto start = (from + alignment - 1) / alignment * alignment;
    for (std::uint64_t i = 0; i < most_starts && frames <= count_ && start <= count_ - frames; ++i, start += alignment) {
        const auto* first = frames_ + start;
        if (start != 0 && std::all_of(first, first + frames, is_free))
            return start;
    }
    return 0;
}

Result<Mfn> FrameTable::allocate_contiguous(std::uint64_t frames) {
    if (frames == 0 || frames > free_.count)
        return fail(Error::no_memory);
    const auto start = find_run(frames, std::bit_ceil(frames), 0, count_);
    if (start == 0)
        return fail(Error::no_memory);
    for (auto i = start; i < start + frames; ++i) {
        take_from_free(frames_[i]);
        frames_[i].owner = hypervisor_owner;
    }
    return Mfn{start};
}

Result<Mfn> FrameTable::allocate_run(Domain& owner, unsigned order) {
    if (order == 0)
        return allocate(owner);
    const auto frames = std::uint64_t{1} << order;
    if (order > max_order || owner.max_frames < frames || owner.frames.count > owner.max_frames - frames ||
        frames > free_.count)
        return fail(Error::no_memory);
    const auto starts = std::max<std::uint64_t>(frames_looked_at / frames, 1);
    auto start = find_run(frames, frames, run_cursor_, starts);
    if (start == 0) {
        const auto looked_to = run_cursor_ + frames_looked_at;
        run_cursor_ = looked_to >= count_ ? 0 : looked_to;
        start = find_run(frames, frames, run_cursor_, starts);
    }
    if (start == 0)
        return fail(Error::no_memory);
    run_cursor_ = start + frames;
    for (auto i = start; i < start + frames; ++i)
        give_to(frames_[i], owner);
    owner.frames_peak = std::max(owner.frames_peak, owner.frames.count);
    return Mfn{start};
}

} // namespace bulkhead::hv
