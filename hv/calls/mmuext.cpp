#include "hv/calls/mmuext.hpp"

#include "hv/calls/batch.hpp"
#include "hv/calls/flush.hpp"
#include "hv/mm/paging.hpp"
#include "hv/mm/types.hpp"
#include "hv/mm/walk.hpp"

#include <cstring>

namespace bulkhead::hv {

namespace {

using Operation = mmuext_op_t;

constexpr bool is_pin(unsigned command) { return command <= MMUEXT_PIN_L4_TABLE; }
static_assert(MMUEXT_PIN_L1_TABLE == 0 && MMUEXT_PIN_L4_TABLE == 3);

FrameType pinned_type(unsigned command) {
    return static_cast<FrameType>(static_cast<unsigned>(FrameType::l1) + command);
}

// Operations on the caller's own address space are never made for another domain.
Result<> run_root(const Operation& op, HypercallContext& context) {
    const Mfn root{op.arg1.mfn};
    if (op.cmd == MMUEXT_NEW_BASEPTR)
        return set_kernel_root(context.caller, root, context.caller.processor.in_kernel);
    return set_user_root(context.caller, root, !context.caller.processor.in_kernel);
}

Result<> run_flush(const Operation& op, HypercallContext& context) {
    const GuestAddress at{op.arg1.linear_addr};
    const auto some = [&] {
        return processors_of(context.domain, reinterpret_cast<std::uint64_t>(op.arg2.vcpumask.p));
    };
    switch (op.cmd) {
    case MMUEXT_TLB_FLUSH_LOCAL:
        machine::flush_tlb();
        return {};
    case MMUEXT_TLB_FLUSH_ALL:
        tlb::flush_mask(machine::pcpus_using(context.domain.id));
        return {};
    case MMUEXT_INVLPG_LOCAL:
        machine::flush_tlb_page(at);
        return {};
    case MMUEXT_INVLPG_ALL:
        tlb::flush_page_mask(machine::pcpus_using(context.domain.id), at);
        return {};
    case MMUEXT_TLB_FLUSH_MULTI: {
        const auto mask = some();
        if (!mask)
            return fail(Error::invalid);
        tlb::flush_mask(*mask);
        return {};
    }
    default: {
        const auto mask = some();
        if (!mask)
            return fail(Error::invalid);
        tlb::flush_page_mask(*mask, at);
        return {};
    }
    }
}

// The destination must not be a table: a writable reference says so, and keeps it so while we write.
Result<> run_page(const Operation& op, Domain& owner) {
    const Mfn to{op.arg1.mfn};
    const Mfn from{op.arg2.src_mfn};
    const bool copy = op.cmd == MMUEXT_COPY_PAGE;
    if (copy)
        BULKHEAD_TRY(get_data(from, owner, false));
    const auto taken = get_data(to, owner, true);
    if (taken) {
        if (!copy)
            std::memset(machine::frame_data(to), 0, page_bytes);
        else if (to != from)
            std::memcpy(machine::frame_data(to), machine::frame_data(from), page_bytes);
        put_data(to, true);
    }
    if (copy)
        put_data(from, false);
    return taken;
}

bool changes_tables(unsigned command) {
    return is_pin(command) || command == MMUEXT_UNPIN_TABLE || command == MMUEXT_NEW_BASEPTR ||
           command == MMUEXT_NEW_USER_BASEPTR || command == MMUEXT_SET_LDT;
}

// The lock of the owner's page tables is held.
Result<> change_tables(const Operation& op, HypercallContext& context, Domain& owner) {
    if (is_pin(op.cmd))
        return pin(Mfn{op.arg1.mfn}, pinned_type(op.cmd), owner);
    if (op.cmd == MMUEXT_UNPIN_TABLE)
        return unpin(Mfn{op.arg1.mfn}, owner);
    if (&owner != &context.domain)
        return fail(Error::permission);
    if (op.cmd == MMUEXT_SET_LDT)
        return set_ldt(context.caller, op.arg1.linear_addr, op.arg2.nr_ents);
    return run_root(op, context);
}

// What the operation did before `done` was set is to be done again. Debts are paid before and, as far as
// there is time, after.
Result<> change_settled(const Operation& op, HypercallContext& context, Domain& owner, bool& done) {
    const LockGuard tables{owner.memory.tables};
    BULKHEAD_TRY(settle(owner));
    BULKHEAD_TRY(change_tables(op, context, owner));
    done = true;
    return settle(owner);
}

Result<> apply(const Operation& op, HypercallContext& context, Domain& owner) {
    const bool own = &owner == &context.domain;
    switch (op.cmd) {
    case MMUEXT_TLB_FLUSH_LOCAL:
    case MMUEXT_TLB_FLUSH_ALL:
    case MMUEXT_TLB_FLUSH_MULTI:
    case MMUEXT_INVLPG_LOCAL:
    case MMUEXT_INVLPG_ALL:
    case MMUEXT_INVLPG_MULTI:
        return own ? run_flush(op, context) : fail(Error::permission);
    case MMUEXT_CLEAR_PAGE:
    case MMUEXT_COPY_PAGE:
        return run_page(op, owner);
    case MMUEXT_FLUSH_CACHE: // guests have write-back memory only: nothing to make coherent
    case MMUEXT_FLUSH_CACHE_GLOBAL:
        return {};
    case MMUEXT_MARK_SUPER:
    case MMUEXT_UNMARK_SUPER:
        return fail(Error::not_supported);
    default:
        return fail(Error::not_implemented);
    }
}

} // namespace

HypercallResult MmuextOp::run(HypercallContext& context) const {
    const auto resolved = owner == DOMID_SELF ? Result<DomainHold>{DomainHold::own(context.domain)}
                                              : resolve_domain(context.domain, owner);
    BULKHEAD_TRY(resolved);
    auto& frames_of = **resolved;
    Batch batch{count, done};
    Result<> outcome = batch.finished() ? settle_alone(frames_of) : Result<>{};
    while (outcome && !batch.finished() && !batch.should_stop()) {
        const auto operation = (operations + batch.index()).read();
        bool applied = false;
        if (!operation)
            outcome = fail(operation.error());
        else if (changes_tables(operation->cmd))
            outcome = change_settled(*operation, context, frames_of, applied);
        else
            applied = (outcome = apply(*operation, context, frames_of)).has_value();
        if (applied)
            batch.advance();
    }
    const bool unfinished = outcome ? !batch.finished() : outcome.error() == Error::restart;
    return unfinished ? batch.restart(context.arguments, sizeof(mmuext_op_t)) : batch.finish(outcome);
}

} // namespace bulkhead::hv
