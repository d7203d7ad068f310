#include "hv/calls/mmuext.hpp"

#include "hv/calls/batch.hpp"
#include "hv/calls/flush.hpp"
#include "hv/mm/paging.hpp"
#include "hv/mm/types.hpp"
#include "hv/mm/walk.hpp"

#include <cstring>

namespace bulkhead::hv {

namespace {

// One operation, from either width's structure.
struct Operation {
    std::uint32_t command;
    std::uint64_t first;  // a frame, or an address
    std::uint64_t second; // a frame, a count, or the address of a mask of vCPUs
};

constexpr bool is_pin(unsigned command) { return command <= MMUEXT_PIN_L4_TABLE; }
static_assert(MMUEXT_PIN_L1_TABLE == 0 && MMUEXT_PIN_L4_TABLE == 3);

// What the widths do differently. Operations on the caller's own address space are never made for another
// domain.
struct Wide {
    using Structure = mmuext_op_t;
    using MaskWord = std::uint64_t;

    static Operation of(const Structure& op) { return {op.cmd, op.arg1.mfn, op.arg2.src_mfn}; }
    static Result<> run_pin(const Operation& op, Domain& owner) {
        const auto type = static_cast<FrameType>(static_cast<unsigned>(FrameType::l1) + op.command);
        return pin(Mfn{op.first}, type, owner);
    }
    static Result<> run_root(const Operation& op, Vcpu& caller) {
        if (op.command == MMUEXT_NEW_BASEPTR)
            return set_kernel_root(caller, Mfn{op.first}, caller.processor.in_kernel);
        return set_user_root(caller, Mfn{op.first}, !caller.processor.in_kernel);
    }
    static Result<> run_ldt(const Operation& op, Vcpu& caller) {
        return set_ldt(caller, op.first, static_cast<std::uint32_t>(op.second));
    }
};

struct Narrow {
    using Structure = pae_abi::MmuextOp;
    using MaskWord = std::uint32_t;

    static Operation of(const Structure& op) { return {op.cmd, op.arg1, op.arg2}; }
    static Result<> run_pin(const Operation& op, Domain& owner) {
        switch (op.command) {
        case MMUEXT_PIN_L1_TABLE:
            return pin(Mfn{op.first}, FrameType::pae_l1, owner);
        case MMUEXT_PIN_L2_TABLE:
            return pin(Mfn{op.first}, FrameType::pae_l2, owner);
        case MMUEXT_PIN_L3_TABLE:
            return pin(Mfn{op.first}, FrameType::pae_l3, owner);
        default:
            return fail(Error::not_implemented);
        }
    }
    static Result<> run_root(const Operation& op, Vcpu& caller) {
        if (op.command == MMUEXT_NEW_BASEPTR)
            return set_pae_root(caller, Mfn{op.first}, true);
        return fail(Error::not_implemented);
    }
    static Result<> run_ldt(const Operation& op, Vcpu& caller) {
        return set_pae_ldt(caller, op.first, static_cast<std::uint32_t>(op.second));
    }
};

template<class Width>
Result<> run_flush(const Operation& op, HypercallContext& context) {
    const GuestAddress at{op.first};
    const auto some = [&] { return processors_of<typename Width::MaskWord>(context.domain, op.second); };
    switch (op.command) {
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
    const Mfn to{op.first};
    const Mfn from{op.second};
    const bool copy = op.command == MMUEXT_COPY_PAGE;
    if (copy)
        BULKHEAD_TRY(get_data(from, owner, false));
    const auto taken = get_data(to, owner, true);
    if (taken) {
        if (!copy)
            machine::clear_frame(to);
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
template<class Width>
Result<> change_tables(const Operation& op, HypercallContext& context, Domain& owner) {
    if (is_pin(op.command))
        return Width::run_pin(op, owner);
    if (op.command == MMUEXT_UNPIN_TABLE)
        return unpin(Mfn{op.first}, owner);
    if (&owner != &context.domain)
        return fail(Error::permission);
    return op.command == MMUEXT_SET_LDT ? Width::run_ldt(op, context.caller)
                                        : Width::run_root(op, context.caller);
}

// What the operation did before `done` was set is to be done again. Debts are paid before and, as far as
// there is time, after.
template<class Width>
Result<> change_settled(const Operation& op, HypercallContext& context, Domain& owner, bool& done) {
    const LockGuard tables{owner.memory.tables};
    BULKHEAD_TRY(settle(owner));
    BULKHEAD_TRY(change_tables<Width>(op, context, owner));
    done = true;
    return settle(owner);
}

template<class Width>
Result<> apply(const Operation& op, HypercallContext& context, Domain& owner) {
    const bool own = &owner == &context.domain;
    switch (op.command) {
    case MMUEXT_TLB_FLUSH_LOCAL:
    case MMUEXT_TLB_FLUSH_ALL:
    case MMUEXT_TLB_FLUSH_MULTI:
    case MMUEXT_INVLPG_LOCAL:
    case MMUEXT_INVLPG_ALL:
    case MMUEXT_INVLPG_MULTI:
        return own ? run_flush<Width>(op, context) : fail(Error::permission);
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

template<class Width, class Call>
HypercallResult run_batch(const Call& call, HypercallContext& context) {
    const auto resolved = call.owner == DOMID_SELF ? Result<DomainHold>{DomainHold::own(context.domain)}
                                                   : resolve_domain(context.domain, call.owner);
    BULKHEAD_TRY(resolved);
    auto& frames_of = **resolved;
    Batch batch{call.count, call.done};
    Result<> outcome = batch.finished() ? settle_alone(frames_of) : Result<>{};
    while (outcome && !batch.finished() && !batch.should_stop()) {
        typename Width::Structure structure;
        bool applied = false;
        if (!(call.operations + batch.index()).read_to(structure))
            outcome = fail(Error::bad_address);
        else if (const auto op = Width::of(structure); changes_tables(op.command))
            outcome = change_settled<Width>(op, context, frames_of, applied);
        else
            applied = (outcome = apply<Width>(op, context, frames_of)).has_value();
        if (applied)
            batch.advance();
    }
    const bool unfinished = outcome ? !batch.finished() : outcome.error() == Error::restart;
    return unfinished ? batch.restart(context.arguments, sizeof(typename Width::Structure))
                      : batch.finish(outcome);
}

} // namespace

HypercallResult MmuextOp::run(HypercallContext& context) const { return run_batch<Wide>(*this, context); }

HypercallResult PaeMmuextOp::run(HypercallContext& context) const {
    return run_batch<Narrow>(*this, context);
}

} // namespace bulkhead::hv
