#include "hv/calls/mmu.hpp"

#include "hv/calls/batch.hpp"
#include "hv/calls/flush.hpp"
#include "hv/mm/pae.hpp"
#include "hv/mm/paging.hpp"
#include "hv/mm/update.hpp"
#include "hv/mm/walk.hpp"

#include <utility>

namespace bulkhead::hv {

namespace {

struct Owners {
    DomainHold tables;
    DomainHold frames;
};

Result<Owners> resolve_owners(Domain& caller, std::uint32_t domains) {
    if (domains == DOMID_SELF) [[likely]]
        return Owners{DomainHold::own(caller), DomainHold::own(caller)};
    auto frames = resolve_domain(caller, static_cast<std::uint16_t>(domains));
    BULKHEAD_TRY(frames);
    auto tables = DomainHold::own(caller);
    if (const auto other = domains >> 16; other != 0) {
        auto found = resolve_domain(caller, static_cast<std::uint16_t>(other - 1));
        BULKHEAD_TRY(found);
        tables = std::move(*found);
    }
    return Owners{std::move(tables), *std::move(frames)};
}

Result<> update_machphys(std::uint64_t machine, std::uint64_t pfn, const Domain& owner) {
    return frame_table().set_pfn(Mfn{machine >> page_shift}, pfn, owner);
}

// The locks are held.
Result<> apply(const mmu_update_t& request, Domain& tables, const Domain& frames) {
    const auto command = request.ptr & 3;
    if (command == MMU_MACHPHYS_UPDATE)
        return update_machphys(request.ptr, request.val, frames);
    const auto at = request.ptr & ~std::uint64_t{3};
    auto* frame = frame_table().find(Mfn{at >> page_shift});
    if (frame == nullptr || !frame->belongs_to(Owner{tables.id}) || at % 8 != 0)
        return fail(Error::invalid);
    const auto bits = command == MMU_PT_UPDATE_PRESERVE_AD ? AccessBits::preserve : AccessBits::replace;
    return update_frame(*frame, static_cast<unsigned>(at % page_bytes / 8), request.val, tables, frames,
                        bits);
}

// One request, with the debt of the one before it paid first and its own as far as there is time.
Result<> apply_settled(const mmu_update_t& request, Domain& tables, Domain& frames, bool& done) {
    const TablesOfTwo locks{tables.memory, tables.id, frames.memory, frames.id};
    BULKHEAD_TRY(settle(tables));
    BULKHEAD_TRY(apply(request, tables, frames));
    done = true;
    return settle(tables);
}

Result<> update_mapping(HypercallContext& context, const UpdateVaMapping& call, Domain& frames_of) {
    auto& domain = context.domain;
    {
        const TablesOfTwo locks{domain.memory, domain.id, frames_of.memory, frames_of.id};
        BULKHEAD_TRY(settle(domain));
        const auto found = walk(context.caller.tables.kernel_root, call.at);
        if (found.l1 == Mfn{})
            return fail(Error::invalid);
        // The L1 is part of the address space in force, so it stays what it is whatever the new reference
        // brings about.
        BULKHEAD_TRY(update_leaf(machine::frame_as<std::uint64_t>(found.l1) + found.l1_index, call.entry,
                                 frames_of, AccessBits::replace));
    }
    return flush_for_guest<std::uint64_t>(domain, call.flags, call.at);
}

// In a 32-bit guest. Nothing of the hole is the guest's to map.
Result<> update_pae_mapping(HypercallContext& context, const UpdateVaMapping& call, Domain& frames_of) {
    auto& domain = context.domain;
    {
        const TablesOfTwo locks{domain.memory, domain.id, frames_of.memory, frames_of.id};
        BULKHEAD_TRY(settle(domain));
        const auto found = walk(context.caller.tables.kernel_root, call.at);
        if (found.l1 == Mfn{} || call.at.value() >= pae::hole)
            return fail(Error::invalid);
        BULKHEAD_TRY(update_frame(frame_table().at(found.l1), found.l1_index, call.entry, domain, frames_of,
                                  AccessBits::replace));
        BULKHEAD_TRY(settle(domain));
    }
    return flush_for_guest<std::uint32_t>(domain, call.flags, call.at);
}

} // namespace

HypercallResult MmuUpdate::run(HypercallContext& context) const {
    const auto owners = resolve_owners(context.domain, domains);
    BULKHEAD_TRY(owners);
    Batch batch{count, done};
    Result<> outcome = batch.finished() ? settle_alone(*owners->tables) : Result<>{};
    while (outcome && !batch.finished() && !batch.should_stop()) {
        const auto request = (requests + batch.index()).read();
        bool applied = false;
        outcome = request ? apply_settled(*request, *owners->tables, *owners->frames, applied)
                          : fail(request.error());
        if (applied)
            batch.advance();
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

HypercallResult PaeUpdateVaMapping::run(HypercallContext& context) const {
    BULKHEAD_TRY(update_pae_mapping(context, mapping, context.domain));
    return 0;
}

HypercallResult PaeUpdateVaMappingOtherdomain::run(HypercallContext& context) const {
    const auto owner = resolve_domain(context.domain, domain);
    BULKHEAD_TRY(owner);
    BULKHEAD_TRY(update_pae_mapping(context, own.mapping, **owner));
    return 0;
}

} // namespace bulkhead::hv
