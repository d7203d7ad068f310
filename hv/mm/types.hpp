// The inner face of direct paging, for hv/mm only: references of page-table entries and type changes, on
// frames that were already found and whose owner was already checked.
#pragma once

#include "hv/base/machine.hpp"
#include "hv/mm/domain_memory.hpp"
#include "hv/mm/entry.hpp"

namespace bulkhead::hv {

// When a release may stop: at the machine's preemption points, or never.
enum class Pace : std::uint8_t { preemptible, at_once };

// The slow half of get_type: the frame has no holder of a type yet.
[[nodiscard]] Result<> get_new_type(Frame& frame, FrameType type);

[[nodiscard]] inline Result<> get_type(Frame& frame, FrameType type) {
    if (frame.references >= max_references) [[unlikely]]
        return fail(Error::busy);
    if (frame.type_references == 0)
        return get_new_type(frame, type);
    if (frame.type != type) [[unlikely]]
        return fail(Error::invalid);
    ++frame.references;
    ++frame.type_references;
    return {};
}

// For types without contents to release (writable), and wherever another holder remains.
void put_plain_type(Frame& frame);

// Gives one typed reference up. True if it was a table's last one and the frame is now an orphan that
// unwind() must release.
[[nodiscard]] bool put_type(Frame& frame);

// Releases what a partial table's entries hold, then the table itself. The frame may be free afterwards.
[[nodiscard]] Result<> unwind(Frame& frame, Pace pace);

// The domain is being taken apart by relinquish_memory.
[[nodiscard]] inline bool is_ending(const DomainMemory& memory) { return memory.max_frames == 0; }

// A partial table that no call is working on.
[[nodiscard]] inline bool is_orphan(const Frame& frame) { return frame.partial && !frame.active; }

// What a present, sanitised leaf holds: a writable type reference or a plain one, on a frame of `owner`.
// Fails with permission where no RAM is, with busy for a frame that is another's or has another type.
[[nodiscard]] inline Result<> take_leaf(std::uint64_t e, Owner owner) {
    auto* frame = frame_table().find(entry::frame(e));
    if (frame == nullptr) [[unlikely]]
        return fail(Error::permission);
    if (frame->owner != owner) [[unlikely]]
        return fail(Error::busy);
    if (entry::is_writable(e)) {
        const auto taken = get_type(*frame, FrameType::writable);
        return taken || taken.error() == Error::restart ? taken : fail(Error::busy);
    }
    if (frame->references >= max_references) [[unlikely]]
        return fail(Error::busy);
    ++frame->references;
    return {};
}

void drop_leaf(std::uint64_t e);

} // namespace bulkhead::hv
