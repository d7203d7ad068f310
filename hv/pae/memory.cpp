#include "hv/pae/memory.hpp"

#include "hv/calls/batch.hpp"
#include "hv/domain/domain.hpp"
#include "hv/mm/pae.hpp"
#include "hv/mm/paging.hpp"
#include "hv/mm/tlb.hpp"
#include "hv/mm/update.hpp"
#include "hv/mm/walk.hpp"

namespace bulkhead::hv {

namespace {

using Operation = pae_abi::MmuextOp;

// A mask of vCPUs is taken for all of them.
Result<> flush(const Domain& domain, std::uint64_t flags, GuestAddress at) {
    const auto kind = flags & UVMF_FLUSHTYPE_MASK;
    const bool everywhere = (flags & ~std::uint64_t{UVMF_FLUSHTYPE_MASK}) != UVMF_LOCAL;
    if (kind == UVMF_NONE)
        return {};
    if (kind != UVMF_TLB_FLUSH && kind != UVMF_INVLPG)
        return fail(Error::invalid);
    if (everywhere && kind == UVMF_TLB_FLUSH)
        tlb::flush_mask(machine::pcpus_using(domain.id));
    else if (everywhere)
        tlb::flush_page_mask(machine::pcpus_using(domain.id), at);
    else if (kind == UVMF_TLB_FLUSH)
        machine::flush_tlb();
    else
        machine::flush_tlb_page(at);
    return {};
}

// As update_va_mapping's flags; nullopt for an operation that is not a flush.
std::optional<std::uint64_t> flush_flags(unsigned command) {
    switch (command) {
    case MMUEXT_TLB_FLUSH_LOCAL:
        return UVMF_TLB_FLUSH | UVMF_LOCAL;
    case MMUEXT_TLB_FLUSH_ALL:
    case MMUEXT_TLB_FLUSH_MULTI:
        return UVMF_TLB_FLUSH | UVMF_ALL;
    case MMUEXT_INVLPG_LOCAL:
        return UVMF_INVLPG | UVMF_LOCAL;
    case MMUEXT_INVLPG_ALL:
    case MMUEXT_INVLPG_MULTI:
        return UVMF_INVLPG | UVMF_ALL;
    default:
        return {};
    }
}

// The lock of the owner's page tables is held.
Result<> change_tables(const Operation& op, HypercallContext& context, Domain& owner) {
    const Mfn frame{op.arg1};
    switch (op.cmd) {
    case MMUEXT_PIN_L1_TABLE:
        return pin(frame, FrameType::pae_l1, owner);
    case MMUEXT_PIN_L2_TABLE:
        return pin(frame, FrameType::pae_l2, owner);
    case MMUEXT_PIN_L3_TABLE:
        return pin(frame, FrameType::pae_l3, owner);
    case MMUEXT_UNPIN_TABLE:
        return unpin(frame, owner);
    case MMUEXT_NEW_BASEPTR:
        return set_pae_root(context.caller, frame, true);
    case MMUEXT_SET_LDT:
        return set_pae_ldt(context.caller, op.arg1, op.arg2);
    default:
        return fail(Error::not_implemented);
    }
}

// Debts are paid before and, as far as there is time, after.
Result<> apply(const Operation& op, HypercallContext& context, bool& done) {
    auto& domain = context.domain;
    if (const auto flags = flush_flags(op.cmd)) {
        BULKHEAD_TRY(flush(domain, *flags, GuestAddress{op.arg1}));
        done = true;
        return {};
    }
    const LockGuard tables{domain.memory.tables};
    BULKHEAD_TRY(settle(domain));
    BULKHEAD_TRY(change_tables(op, context, domain));
    done = true;
    return settle(domain);
}

Result<> write_leaf(HypercallContext& context, GuestAddress at, std::uint64_t e) {
    auto& domain = context.domain;
    const LockGuard tables{domain.memory.tables};
    BULKHEAD_TRY(settle(domain));
    const auto found = walk(context.caller.tables.kernel_root, at);
    if (found.l1 == Mfn{} || at.value() >= pae::hole)
        return fail(Error::invalid);
    BULKHEAD_TRY(
        update_frame(frame_table().at(found.l1), found.l1_index, e, domain, domain, AccessBits::replace));
    return settle(domain);
}

} // namespace

HypercallResult PaeUpdateVaMapping::run(HypercallContext& context) const {
    BULKHEAD_TRY(write_leaf(context, at, entry));
    BULKHEAD_TRY(flush(context.domain, flags, at));
    return 0;
}

HypercallResult PaeMmuextOp::run(HypercallContext& context) const {
    if (owner != DOMID_SELF && owner != context.domain.id.value())
        return fail(Error::permission);
    Batch batch{count, done};
    Result<> outcome = batch.finished() ? settle_alone(context.domain) : Result<>{};
    while (outcome && !batch.finished() && !batch.should_stop()) {
        const auto operation = (operations + batch.index()).read();
        bool applied = false;
        outcome = operation ? apply(*operation, context, applied) : fail(operation.error());
        if (applied)
            batch.advance();
    }
    const bool unfinished = outcome ? !batch.finished() : outcome.error() == Error::restart;
    return unfinished ? batch.restart(context.arguments, sizeof(Operation)) : batch.finish(outcome);
}

} // namespace bulkhead::hv
