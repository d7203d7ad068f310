#include "hv/calls/reservation.hpp"

#include "hv/mm/frame.hpp"
#include "hv/plugin/memory_policy.hpp"

#include <algorithm>
#include <utility>

namespace bulkhead::hv {

namespace {

constexpr std::uint64_t portion = 64; // frames or short runs that the memory policy is asked for at once

// The memory policy's grants for one request: asked for in portions, and settled at its end.
class Grants {
  public:
    explicit Grants(Domain& owner) : owner_{owner} {}
    ~Grants() { memory_policy::settle(owner_, taken_ + left_); }
    Grants(const Grants&) = delete;
    Grants& operator=(const Grants&) = delete;

    // Whether the policy lets the domain have `frames` more now. `wanted`, not less, are all that the request
    // still wants.
    [[nodiscard]] bool cover(std::uint64_t frames, std::uint64_t wanted);
    void take(std::uint64_t frames) {
        taken_ += frames;
        left_ -= frames;
    }

  private:
    Domain& owner_;
    std::uint64_t taken_ = 0, left_ = 0; // of what was granted: told to the policy's host at the next chance
};

bool Grants::cover(std::uint64_t frames, std::uint64_t wanted) {
    while (left_ < frames) {
        const auto more = memory_policy::grant(owner_, std::exchange(taken_, 0), wanted - left_);
        if (more == 0)
            return false;
        left_ += more;
    }
    return true;
}

} // namespace

template<class Word>
Result<Mfn> BasicReservation<Word>::allocate(std::uint64_t pfn) {
    const LockGuard tables{owner_.memory.tables};
    return order_ == 0 ? frame_table().allocate(owner_, pfn)
                       : frame_table().allocate_run(owner_, order_, pfn);
}

template<class Word>
bool BasicReservation<Word>::is_under_way() const {
    if (order_ != extent_order)
        return false;
    const LockGuard tables{owner_.memory.tables};
    return owner_.memory.extent.is_under_way();
}

template<class Word>
std::uint64_t BasicReservation<Word>::most_at_once() const {
    return order_ == extent_order ? 1 : portion;
}

template<class Word>
template<auto step>
Result<> BasicReservation<Word>::take() {
    if (!is_order(order_))
        return fail(Error::invalid);
    const auto frames = std::uint64_t{1} << order_;
    Grants grants{owner_};
    for (const auto first = done_; done_ < extents_; ++done_) {
        if (done_ != first && machine::should_preempt())
            return fail(Error::restart);
        const bool was_begun = is_under_way(); // then it was granted before
        if (!was_begun && !grants.cover(frames, std::min(extents_ - done_, most_at_once()) * frames))
            return fail(Error::no_memory);
        const auto outcome = (this->*step)(list_ + done_);
        if (!was_begun && (outcome || is_under_way()))
            grants.take(frames);
        BULKHEAD_TRY(outcome);
    }
    return {};
}

template<class Word>
Result<> BasicReservation<Word>::decrease() {
    if (order_ > max_run_order)
        return fail(Error::invalid);
    const Grants grants{owner_}; // none: at the end the policy's books follow
    for (const auto first = done_; done_ < extents_; ++done_) {
        if (done_ != first && machine::should_preempt())
            return fail(Error::restart);
        BULKHEAD_TRY(decrease_one(list_ + done_));
    }
    return {};
}

template<class Word>
void BasicReservation<Word>::give_back(Mfn first) {
    const LockGuard tables{owner_.memory.tables};
    for (std::uint64_t i = 0; i < std::uint64_t{1} << order_; ++i)
        static_cast<void>(frame_table().release(Mfn{first.value() + i}, owner_));
}

// A guest that can't be told of its frames doesn't get them. It keeps those of an extent that it can't be
// told of at its end, for they are too many to go back at once.
template<class Word>
Result<> BasicReservation<Word>::allocate_reported(GuestPtr<Word> place, std::uint64_t pfn) {
    if (order_ == extent_order && !list_.is_null())
        BULKHEAD_TRY(place.write(static_cast<Word>(pfn)));
    const auto mfn = allocate(pfn);
    BULKHEAD_TRY(mfn);
    if (list_.is_null())
        return {};
    const auto told = place.write(static_cast<Word>(mfn->value()));
    if (!told && order_ != extent_order) [[unlikely]]
        give_back(*mfn);
    return told;
}

template<class Word>
Result<> BasicReservation<Word>::populate_one(GuestPtr<Word> place) {
    const auto pfn = place.read();
    BULKHEAD_TRY(pfn);
    return allocate_reported(place, *pfn);
}

template<class Word>
Result<> BasicReservation<Word>::increase_one(GuestPtr<Word> place) {
    return allocate_reported(place, machine::m2p_invalid);
}

template<class Word>
Result<> BasicReservation<Word>::populate() {
    return take<&BasicReservation::populate_one>();
}

template<class Word>
Result<> BasicReservation<Word>::increase() {
    return take<&BasicReservation::increase_one>();
}

template<class Word>
Result<> BasicReservation<Word>::decrease_one(GuestPtr<Word> place) {
    const auto first = place.read();
    BULKHEAD_TRY(first);
    const LockGuard tables{owner_.memory.tables};
    for (std::uint64_t i = 0; i < std::uint64_t{1} << order_; ++i)
        BULKHEAD_TRY(frame_table().release(Mfn{*first + i}, owner_));
    return {};
}

template class BasicReservation<std::uint64_t>;
template class BasicReservation<std::uint32_t>;

} // namespace bulkhead::hv
