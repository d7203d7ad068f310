#include "hv/calls/mmu.hpp"

#include "hv/calls/batch.hpp"
#include "hv/calls/flush.hpp"
#include "hv/mm/paging.hpp"
#include "hv/mm/update.hpp"
#include "hv/mm/walk.hpp"

namespace bulkhead::hv {

namespace {

struct Owners {
    Domain& tables;
    Domain& frames;
};

Result<Owners> resolve_owners(Domain& caller, std::uint32_t domains) {
    if (domains == DOMID_SELF) [[likely]]
        return Owners{caller, caller};
    const auto frames = resolve_domain(caller, static_cast<std::uint16_t>(domains));
    BULKHEAD_TRY(frames);
    Domain* tables = &caller;
    if (const auto other = domains >> 16; other != 0) {
        const auto found = resolve_domain(caller, static_cast<std::uint16_t>(other - 1));
        BULKHEAD_TRY(found);
        tables = *found;
    }
    return Owners{*tables, **frames};
}

Result<> update_machphys(std::uint64_t machine, std::uint64_t pfn, const Domain& owner) {
    const Mfn mfn{machine >> page_shift};
    const auto* frame = frame_table().find(mfn);
    if (frame == nullptr || frame->owner != Owner{owner.id})
        return fail(Error::invalid);
    machine::set_m2p(mfn, pfn);
    return {};
}

Result<> apply(const mmu_update_t& request, const Owners& owners, Domain& caller) {
    const auto command = request.ptr & 3;
    if (command == MMU_MACHPHYS_UPDATE)
        return update_machphys(request.ptr, request.val, owners.frames);
    const auto at = request.ptr & ~std::uint64_t{3};
    auto* frame = frame_table().find(Mfn{at >> page_shift});
    if (frame == nullptr || frame->owner != Owner{owners.tables.id} || at % 8 != 0)
        return fail(Error::invalid);
    const auto bits = command == MMU_PT_UPDATE_PRESERVE_AD ? AccessBits::preserve : AccessBits::replace;
    return update_frame(*frame, static_cast<unsigned>(at % page_bytes / 8), request.val, owners.frames, bits,
                        caller);
}

Result<> update_mapping(HypercallContext& context, const UpdateVaMapping& call, const Domain& frames_of) {
    BULKHEAD_TRY(settle(context.domain));
    const auto found = walk(context.caller.tables.kernel_root, call.at);
    if (found.l1 == Mfn{})
        return fail(Error::invalid);
    // The L1 is part of the address space in force, so it stays what it is whatever the new reference brings
    // about.
    BULKHEAD_TRY(update_leaf(machine::frame_as<std::uint64_t>(found.l1) + found.l1_index, call.entry,
                             frames_of, AccessBits::replace));
    return flush_for_guest(context.domain, call.flags, call.at);
}

} // namespace

HypercallResult MmuUpdate::run(HypercallContext& context) const {
    const auto owners = resolve_owners(context.domain, domains);
    BULKHEAD_TRY(owners);
    Batch batch{count, done};
    Result<> outcome = settle(context.domain);
    while (outcome && !batch.finished() && !batch.should_stop()) {
        const auto request = (requests + batch.index()).read();
        outcome = request ? apply(*request, *owners, context.domain) : fail(request.error());
        if (!outcome)
            break;
        batch.advance();
        outcome = settle(context.domain);
    }
    const bool unfinished = outcome ? !batch.finished() : outcome.error() == Error::restart;
    return unfinished ? batch.restart(context.arguments, sizeof(mmu_update_t)) : batch.finish(outcome);
}

HypercallResult UpdateVaMapping::run(HypercallContext& context) const {
    BULKHEAD_TRY(update_mapping(context, *this, context.domain));
    return 0;
}

HypercallResult UpdateVaMappingOtherdomain::run(HypercallContext& context) const {
    const auto owner = resolve_domain(context.domain, domain);
    BULKHEAD_TRY(owner);
    BULKHEAD_TRY(update_mapping(context, mapping, **owner));
    return 0;
}

} // namespace bulkhead::hv
