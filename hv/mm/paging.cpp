// The public face of typed references: debts, data references and pins.
#include "hv/mm/paging.hpp"

#include "hv/domain/domain.hpp"
#include "hv/mm/types.hpp"

namespace bulkhead::hv {

namespace {

// The orphan may be another vCPU's unfinished validation by now, if other vCPUs finished the debt first: then
// only their work is lost.
Result<> unwind_orphan(Mfn mfn, Pace pace) {
    auto* frame = frame_table().find(mfn);
    if (frame == nullptr || !is_orphan(*frame))
        return {};
    return unwind(*frame, pace);
}

} // namespace

void drop_typed(Mfn mfn, Domain& payer) {
    if (!put_type(frame_table().at(mfn)))
        return;
    if (!settle(payer)) // a debt is open still: the new orphan waits for its next user, or the
                        // domain's end
        return;
    payer.memory.unfinished_table = mfn;
    static_cast<void>(settle(payer)); // what is left is settled before the guest's call is over
}

Result<> settle(Domain& payer) {
    if (payer.memory.unfinished_table == Mfn{}) [[likely]]
        return {};
    BULKHEAD_TRY(unwind_orphan(payer.memory.unfinished_table, Pace::preemptible));
    payer.memory.unfinished_table = {};
    return {};
}

Result<> put_typed(Mfn mfn, bool preemptible) {
    auto& frame = frame_table().at(mfn);
    if (frame.type_references == 0 || put_type(frame))
        return unwind_orphan(mfn, preemptible ? Pace::preemptible : Pace::at_once);
    return {};
}

Result<> get_data(Mfn mfn, const Domain& owner, bool writable) {
    if (writable)
        return get_typed(mfn, FrameType::writable, owner);
    BULKHEAD_TRY(frame_table().get(mfn, owner));
    return {};
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
    if (frame == nullptr || frame->owner != Owner{owner.id} || !entry::is_table(type) || frame->pinned)
        return fail(Error::invalid);
    BULKHEAD_TRY(get_type(*frame, type));
    frame->pinned = 1;
    return {};
}

Result<> unpin(Mfn mfn, const Domain& owner, Domain& payer) {
    auto* frame = frame_table().find(mfn);
    if (frame == nullptr || frame->owner != Owner{owner.id} || !frame->pinned)
        return fail(Error::invalid);
    frame->pinned = 0;
    drop_typed(mfn, payer);
    return {};
}

} // namespace bulkhead::hv
