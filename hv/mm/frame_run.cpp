// Contiguous allocation: looking for a run of free frames in the frame table, in order of frame number.
#include "hv/domain/domain.hpp"
#include "hv/mm/frame.hpp"

#include <algorithm>
#include <bit>

namespace bulkhead::hv {

namespace {

constexpr std::uint64_t frames_looked_at = 512; // by one guest's request: about 4000 instructions

} // namespace

// The first free run of `frames` aligned frames at or after `from`, wrapping around once, among the first
// `budget` frames looked at; 0 if there is none.
std::uint64_t FrameTable::find_run(std::uint64_t frames, std::uint64_t alignment, std::uint64_t from,
                                   std::uint64_t budget) const {
    if (frames == 0 || frames > count_)
        return 0;
    const auto starts = (count_ - frames) / alignment + 1;
    for (std::uint64_t i = 0, n = from / alignment % starts; i < starts;
         ++i, n = n + 1 < starts ? n + 1 : 0) {
        const auto start = n * alignment;
        std::uint64_t good = 0;
        while (good < frames && budget > 0 && is_free(frames_[start + good]))
            ++good, --budget;
        if (good == frames && start != 0)
            return start;
        if (budget == 0 || --budget == 0)
            return 0;
    }
    return 0;
}

// Takes the run if it is all free still.
bool FrameTable::claim_run(std::uint64_t start, std::uint64_t frames, FrameList* list) {
    for (auto i = start; i < start + frames; ++i)
        if (!is_free(frames_[i]))
            return false;
    for (auto i = start; i < start + frames; ++i) {
        take_from_free(frames_[i]);
        if (list != nullptr)
            append(*list, frames_[i]);
    }
    return true;
}

Result<Mfn> FrameTable::allocate_contiguous(std::uint64_t frames) {
    const auto start =
        find_run(frames, std::bit_ceil(std::max<std::uint64_t>(frames, 1)), run_cursor_, UINT64_MAX);
    {
        const LockGuard guard{free_lock_};
        if (start == 0 || free_.count < promised_ + frames || !claim_run(start, frames, nullptr))
            return fail(Error::no_memory);
    }
    run_cursor_ = start + frames;
    for (auto i = start; i < start + frames; ++i)
        clear(frames_[i]);
    return Mfn{start};
}

// The search takes no lock: it may find a run that another pCPU takes first, and then answers no_memory.
Result<Mfn> FrameTable::allocate_run(Domain& owner, unsigned order, std::uint64_t pfn) {
    if (order == 0)
        return allocate(owner, pfn);
    auto& memory = owner.memory;
    const auto frames = std::uint64_t{1} << std::min(order, max_run_order);
    if (order > max_run_order)
        return fail(Error::no_memory);
    const std::uint64_t from = run_cursor_;
    const auto start = find_run(frames, frames, from, frames_looked_at);
    if (start == 0) {
        run_cursor_ = from + frames_looked_at < count_ ? from + frames_looked_at : 0;
        return fail(Error::no_memory);
    }
    run_cursor_ = start + frames;
    {
        const LockGuard guard{free_lock_};
        if (!may_have(memory, frames) || !claim_run(start, frames, &memory.frames))
            return fail(Error::no_memory);
        pay(memory, frames);
        memory.frames_peak = std::max(memory.frames_peak, memory.frames.count);
    }
    for (auto i = start; i < start + frames; ++i)
        give_to(frames_[i], owner, pfn == machine::m2p_invalid ? pfn : pfn + (i - start));
    return Mfn{start};
}

} // namespace bulkhead::hv
