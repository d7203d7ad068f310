// The inner face of direct paging, for hv/mm only: references of page-table entries and type changes, on
// frames that were already found. All of it runs with the lock of the owner's page tables held, but for data:
// take_existing() of data, take_fresh_writable(), put_plain_type() and drop_leaf() need none.
#pragma once

#include "hv/base/machine.hpp"
#include "hv/mm/domain_memory.hpp"
#include "hv/mm/entry.hpp"

namespace bulkhead::hv {

// Takes one more use of a type that the frame has and that has uses. False if it has not, or is not the
// owner's, or the counts are at their limit: take_slowly() then says why, or makes the type.
[[nodiscard]] inline bool take_existing(Frame& frame, FrameType type, Owner owner) {
    constexpr auto use = FrameCounts::one_reference + FrameCounts::one_typed_use;
    constexpr auto limit = max_references * FrameCounts::one_reference;
    // Counts first: with the lock held a frame may leave its owner but not come back, so what they said of a
    // table was said of one that nobody can drop meanwhile.
    auto seen = frame.counts.load(std::memory_order_acquire);
    if (!frame.belongs_to(owner)) [[unlikely]]
        return false;
    do {
        const bool has_it = (seen & FrameCounts::type_mask) == static_cast<std::uint64_t>(type) &&
                            (seen & FrameCounts::typed_use_mask) != 0 && seen < limit;
        if (!has_it)
            return false;
    } while (!frame.counts.compare_exchange_weak(seen, seen + use, std::memory_order_acq_rel,
                                                 std::memory_order_acquire));
    if (frame.belongs_to(owner)) [[likely]]
        return true;
    frame_table().put_typed_use(frame); // data that went to another owner meanwhile
    return false;
}

// The slow half of get_type, with the lock of the owner's page tables held.
[[nodiscard]] Result<> take_slowly(Frame& frame, FrameType type, Owner owner);

[[nodiscard]] inline Result<> get_type(Frame& frame, FrameType type, Owner owner) {
    return take_existing(frame, type, owner) ? Result<>{} : take_slowly(frame, type, owner);
}

// Makes a frame writable that never was anything else since its allocation. Needs no lock: nothing is to be
// flushed or undone. False if the frame is not of that kind.
[[nodiscard]] bool take_fresh_writable(Frame& frame, Owner owner);

// For types without contents to release (writable), and wherever another holder remains.
inline void put_plain_type(Frame& frame) { frame_table().put_typed_use(frame); }

// Gives one typed reference up. True if it was a table's last one and the frame is now an orphan that
// unwind() must release.
[[nodiscard]] bool put_type(Frame& frame);

// Releases what a partial table's entries hold, then the table itself. The frame may be free afterwards.
[[nodiscard]] Result<> unwind(Frame& frame);

// The domain is being taken apart by relinquish_memory.
[[nodiscard]] inline bool is_ending(const DomainMemory& memory) { return memory.max_frames == 0; }

// A partial table that no call is working on.
[[nodiscard]] inline bool is_orphan(const Frame& frame) { return frame.partial() && !frame.active; }

// What a present, sanitised leaf holds: a writable type reference or a plain one, on a frame of `owner`.
// Fails with permission where no RAM is, with busy for a frame that is another's or has another type.
[[nodiscard, gnu::always_inline]] inline Result<> take_leaf(std::uint64_t e, Owner owner) {
    auto* frame = frame_table().find(entry::frame(e));
    if (frame == nullptr) [[unlikely]]
        return fail(Error::permission);
    if (!frame->belongs_to(owner)) [[unlikely]]
        return fail(Error::busy);
    const auto taken =
        entry::is_writable(e) ? get_type(*frame, FrameType::writable, owner) : frame->take_reference(owner);
    return taken || taken.error() == Error::restart ? taken : fail(Error::busy);
}

void drop_leaf(std::uint64_t e);

} // namespace bulkhead::hv
