// The public face of typed references: debts, data references and pins.
#include "hv/mm/paging.hpp"

#include "hv/domain/domain.hpp"
#include "hv/mm/types.hpp"

namespace bulkhead::hv {

namespace {

// The orphan may be another vCPU's unfinished validation by now, if other vCPUs finished the debt first: then
// only their work is lost.
Result<> unwind_orphan(Mfn mfn, const Domain& owner) {
    auto* frame = frame_table().find(mfn);
    if (frame == nullptr || !frame->partial() || !frame->belongs_to(Owner{owner.id}) || !is_orphan(*frame))
        return {};
    return unwind(*frame);
}

} // namespace

void drop_typed(Mfn mfn, Domain& owner) {
    if (!put_type(frame_table().at(mfn)))
        return;
    if (!settle(owner)) // a debt is open still: the new orphan waits for its next user, or the
                        // domain's end
        return;
    owner.memory.unfinished_table = mfn;
    static_cast<void>(settle(owner)); // what is left is settled before the guest's call is over
}

Result<> settle(Domain& owner) {
    if (owner.memory.unfinished_table == Mfn{}) [[likely]]
        return {};
    BULKHEAD_TRY(unwind_orphan(owner.memory.unfinished_table, owner));
    owner.memory.unfinished_table = {};
    return {};
}

Result<> settle_alone(Domain& owner) {
    const LockGuard tables{owner.memory.tables};
    return settle(owner);
}

Result<> get_data(Mfn mfn, Domain& owner, bool writable) {
    auto* frame = frame_table().find(mfn);
    return frame != nullptr ? get_data(*frame, owner, writable) : fail(Error::invalid);
}

Result<> get_data(Frame& frame, Domain& owner, bool writable) {
    const Owner whom{owner.id};
    if (!writable)
        return frame.take_reference(whom);
    if (take_existing(frame, FrameType::writable, whom) || take_fresh_writable(frame, whom)) [[likely]]
        return {};
    const LockGuard tables{owner.memory.tables};
    return get_type(frame, FrameType::writable, whom);
}

void put_data(Mfn mfn, bool writable) {
    auto& frame = frame_table().at(mfn);
    if (writable)
        put_plain_type(frame);
    else
        frame_table().put(frame);
}

Result<> pin(Mfn mfn, FrameType type, const Domain& owner) {
    auto* frame = frame_table().find(mfn);
    if (frame == nullptr || !entry::is_table(type))
        return fail(Error::invalid);
    BULKHEAD_TRY(get_type(*frame, type, Owner{owner.id}));
    if (frame->pinned) {
        put_plain_type(*frame); // the pin's own use remains
        return fail(Error::invalid);
    }
    frame->pinned = 1;
    return {};
}

Result<> unpin(Mfn mfn, Domain& owner) {
    auto* frame = frame_table().find(mfn);
    if (frame == nullptr || !frame->take_reference(Owner{owner.id}))
        return fail(Error::invalid);
    const bool was_pinned = frame->pinned;
    frame->pinned = 0;
    if (was_pinned)
        drop_typed(mfn, owner);
    frame_table().put(*frame);
    return was_pinned ? Result<>{} : fail(Error::invalid);
}

} // namespace bulkhead::hv
