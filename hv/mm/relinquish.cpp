// The end of a domain's memory. Each step leaves the domain in a state from which the next call goes on.
#include "hv/domain/domain.hpp"
#include "hv/mm/paging.hpp"
#include "hv/mm/types.hpp"

namespace bulkhead::hv {

namespace {

// Each that is held is a step: a vCPU may hold dozens.
Result<> drop_one(Mfn& held, Domain& domain) {
    if (held == Mfn{})
        return {};
    drop_typed(held, domain);
    held = {};
    BULKHEAD_TRY(settle(domain));
    return machine::should_preempt() ? fail(Error::restart) : Result<>{};
}

Result<> drop_vcpu(Vcpu& vcpu, Domain& domain) {
    // Out of the hypervisor's half first: a frame may be free once its last reference is gone.
    if (vcpu.tables.gdt_entries != 0)
        machine::map_descriptors(vcpu.sched.slot, false, vcpu.tables.gdt_frames, 0);
    if (vcpu.tables.ldt_entries != 0)
        machine::map_descriptors(vcpu.sched.slot, true, vcpu.tables.ldt_frames, 0);
    vcpu.tables.gdt_entries = vcpu.tables.ldt_entries = 0;
    if (domain.pae && vcpu.tables.kernel_root != Mfn{}) {
        domain.free_metadata(machine::frame_data(vcpu.tables.kernel_root));
        vcpu.tables.kernel_root = vcpu.tables.user_root = {};
    }
    BULKHEAD_TRY(drop_one(vcpu.tables.pae_root, domain));
    BULKHEAD_TRY(drop_one(vcpu.tables.kernel_root, domain));
    BULKHEAD_TRY(drop_one(vcpu.tables.user_root, domain));
    for (auto& mfn : vcpu.tables.gdt_frames)
        BULKHEAD_TRY(drop_one(mfn, domain));
    for (auto& mfn : vcpu.tables.ldt_frames)
        BULKHEAD_TRY(drop_one(mfn, domain));
    for (auto& mfn : vcpu.tables.taken_frames)
        BULKHEAD_TRY(drop_one(mfn, domain));
    if (vcpu.info_frame != Mfn{}) {
        const bool in_shared = domain.shared != nullptr && vcpu.id.value() < XEN_LEGACY_MAX_VCPUS;
        vcpu.info = in_shared ? &domain.shared->vcpu_info[vcpu.id.value()] : nullptr;
        put_data(vcpu.info_frame, true);
        vcpu.info_frame = {};
    }
    return {};
}

// Afterwards only other domains hold the frame, or the frame is free.
Result<> drop_frame(Frame& frame, Domain& domain) {
    const auto mfn = frame_table().number(frame);
    if (frame.pinned) {
        BULKHEAD_TRY(unpin(mfn, domain));
        return settle(domain);
    }
    if (frame.partial())
        return unwind(frame);
    frame.lingering = 1;
    frame_table().move_to_end(frame, domain.memory.frames);
    return frame.held ? frame_table().release(mfn, domain) : Result<>{};
}

// The first frame of the domain's list, or `busy` if all that are left linger, or nullptr.
Result<Frame*> next_frame(Domain& domain) {
    const auto frame = frame_table().get_first(domain.memory.frames);
    if (!frame || *frame == nullptr || !(*frame)->lingering) // all behind one that lingers do
        return frame;
    frame_table().put(**frame);
    return fail(Error::busy);
}

Result<bool> relinquish_one(Domain& domain) {
    const LockGuard tables{domain.memory.tables};
    if (frame_table().free_first(domain.memory))
        return true;
    const auto frame = next_frame(domain);
    BULKHEAD_TRY(frame);
    if (*frame == nullptr)
        return false;
    const auto dropped = drop_frame(**frame, domain);
    frame_table().put(**frame);
    BULKHEAD_TRY(dropped);
    return true;
}

Result<> relinquish_vcpus(Domain& domain) {
    const LockGuard tables{domain.memory.tables};
    domain.memory.max_frames = 0; // no more memory and tables, for any caller
    frame_table().end_extent(domain.memory);
    BULKHEAD_TRY(settle(domain));
    for (auto& i = domain.memory.vcpus_relinquished; i < domain.vcpu_count;) {
        if (domain.vcpus[i] != nullptr)
            BULKHEAD_TRY(drop_vcpu(*domain.vcpus[i], domain));
        ++i;
        if (machine::should_preempt())
            return fail(Error::restart);
    }
    return {};
}

} // namespace

Result<> relinquish_memory(Domain& domain) {
    BULKHEAD_TRY(relinquish_vcpus(domain));
    for (;;) {
        const auto more = relinquish_one(domain);
        BULKHEAD_TRY(more);
        if (!*more)
            return {};
        if (machine::should_preempt())
            return fail(Error::restart);
    }
}

} // namespace bulkhead::hv
