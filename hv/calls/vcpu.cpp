#include "hv/calls/vcpu.hpp"

#include "abi/pae.hpp"
#include "hv/base/locks.hpp"
#include "hv/calls/table.hpp"
#include "hv/dispatch/dispatch.hpp"
#include "hv/dispatch/guest_time.hpp"
#include "hv/dispatch/timers.hpp"
#include "hv/domain/domain.hpp"
#include "hv/domain/vcpu_context.hpp"
#include "hv/mm/paging.hpp"

#include <atomic>
#include <cstring>

extern "C" {
#include <xen/sched.h>
}

namespace bulkhead::hv {

namespace {

constexpr Nanos least_period = milliseconds(1);

HypercallResult from(Result<> result) {
    if (!result)
        return fail(result.error());
    return 0;
}

// The guest moves its vcpu_info out of shared_info into a page of its own. Once only, as the ABI says.
Result<> move_info(Vcpu& vcpu, const vcpu_register_vcpu_info_t& where) {
    if (where.offset > page_bytes - sizeof(vcpu_info_t))
        return fail(Error::no_address);
    if (where.offset % alignof(vcpu_info_t) != 0)
        return fail(Error::invalid);
    const Mfn frame{where.mfn};
    const LockGuard tables{vcpu.domain->memory.tables};
    if (vcpu.info_frame != Mfn{})
        return fail(Error::invalid);
    BULKHEAD_TRY(get_typed(frame, FrameType::writable, *vcpu.domain));
    auto* info = reinterpret_cast<vcpu_info_t*>(machine::frame_as<std::byte>(frame) + where.offset);
    if (vcpu.info != nullptr)
        std::memcpy(info, vcpu.info, sizeof *info);
    vcpu.info = info;
    vcpu.info_frame = frame;
    // Events that came in before are looked for once more, since their bits may have been missed by the
    // guest.
    if (vcpu.domain->pae)
        std::atomic_ref{reinterpret_cast<pae_abi::VcpuInfo*>(info)->pending_sel}.store(~std::uint32_t{0});
    else
        std::atomic_ref{info->evtchn_pending_sel}.store(~xen_ulong_t{0});
    std::atomic_ref{info->evtchn_upcall_pending}.store(1);
    publish_time(vcpu);
    return {};
}

HypercallResult register_area(std::uint64_t argument, std::uint64_t& area) {
    const auto address = GuestPtr<std::uint64_t>{argument}.read();
    if (!address)
        return fail(address.error());
    area = *address;
    return 0;
}

// The upper half of the ABI's union is not read: a pointer of 32 bits leaves whatever was there.
Result<std::uint64_t> pae_area(std::uint64_t argument) {
    const auto area = GuestPtr<pae_abi::VcpuRegisterMemoryArea>{argument}.read();
    if (!area)
        return fail(area.error());
    return std::uint64_t{area->address};
}

// Another vCPU's area is written when that vCPU runs next: only then are its tables in force.
void place_time_area(Vcpu& vcpu, std::uint64_t address, bool own) {
    if (own)
        set_time_area(vcpu, address);
    else
        vcpu.time_area.address = address, vcpu.time_area.late = true;
}

HypercallResult register_time_area(Vcpu& vcpu, std::uint64_t argument, bool own) {
    const auto address = GuestPtr<std::uint64_t>{argument}.read();
    if (!address)
        return fail(address.error());
    place_time_area(vcpu, *address, own);
    return 0;
}

HypercallResult register_pae_runstate_area(Vcpu& vcpu, std::uint64_t argument, bool own) {
    const auto address = pae_area(argument);
    if (!address)
        return fail(address.error());
    vcpu.runstate.area = *address == 0 ? 0 : *address + pae_area_mark;
    if (own)
        publish_runstate(vcpu);
    return 0;
}

HypercallResult register_pae_time_area(Vcpu& vcpu, std::uint64_t argument, bool own) {
    const auto address = pae_area(argument);
    if (!address)
        return fail(address.error());
    place_time_area(vcpu, *address, own);
    return 0;
}

HypercallResult tell_runstate(const Vcpu& vcpu, std::uint64_t argument) {
    return from(GuestPtr<vcpu_runstate_info_t>{argument}.write(runstate_info(vcpu, machine::now())));
}

// Cold, so that the 64-bit one keeps its own copy of what both do.
[[gnu::noinline, gnu::cold]] HypercallResult tell_pae_runstate(const Vcpu& vcpu, std::uint64_t argument) {
    const auto info = pae_form(runstate_info(vcpu, machine::now()));
    return from(GuestPtr<pae_abi::VcpuRunstateInfo>{argument}.write(info));
}

HypercallResult set_period(Vcpu& vcpu, std::uint64_t argument) {
    const auto request = GuestPtr<vcpu_set_periodic_timer_t>{argument}.read();
    if (!request)
        return fail(request.error());
    if (request->period_ns < static_cast<std::uint64_t>(least_period.count()) ||
        request->period_ns > INT64_MAX / 4)
        return fail(Error::invalid);
    set_periodic(vcpu, Nanos{static_cast<std::int64_t>(request->period_ns)});
    return 0;
}

HypercallResult set_single(Vcpu& vcpu, std::uint64_t timeout_abs_ns) {
    const GuestTime deadline{static_cast<std::int64_t>(std::min<std::uint64_t>(timeout_abs_ns, INT64_MAX))};
    set_oneshot(vcpu, deadline);
    return 0;
}

HypercallResult initialise(Vcpu& vcpu, std::uint64_t argument) {
    if (vcpu.sched.initialised)
        return fail(Error::exists);
    return from(load_context_from_guest(vcpu, GuestPtr<vcpu_guest_context_t>{argument}));
}

HypercallResult initialise_pae(Vcpu& vcpu, std::uint64_t argument) {
    if (vcpu.sched.initialised)
        return fail(Error::exists);
    return from(load_pae_context_from_guest(vcpu, argument));
}

HypercallResult send_nmi(Vcpu& vcpu, std::uint64_t argument) {
    if (argument != 0)
        return fail(Error::invalid);
    if (!vcpu.entries.nmi_pending.exchange(true))
        wake_vcpu(vcpu, WakeCause::event);
    return 0;
}

bool is_last_online(const Vcpu& vcpu) {
    const auto& domain = *vcpu.domain;
    for (std::uint32_t i = 0; i < domain.vcpu_count; ++i)
        if (const Vcpu* other = domain.vcpus[i]; other != nullptr && other != &vcpu && other->sched.online)
            return false;
    return true;
}

void set_online(Vcpu& vcpu, bool online) {
    const LockGuard run{run_lock()};
    if (online && !vcpu.sched.online)
        begin_period_anew(vcpu);
    vcpu.sched.online = online;
    if (online)
        vcpu.sched.waiting = false;
    reconsider(vcpu);
}

// Not the last one: the domain has then switched itself off. Answers which it is.
bool go_offline(Vcpu& vcpu) {
    const LockGuard run{run_lock()}; // no two go at once
    if (is_last_online(vcpu))
        return false;
    set_online(vcpu, false);
    return true;
}

void take_down(Vcpu& vcpu) {
    if (!go_offline(vcpu))
        shut_down_domain(*vcpu.domain, SHUTDOWN_poweroff);
}

} // namespace

// What has one form for both widths goes to VcpuOp.
HypercallResult PaeVcpuOp::run(HypercallContext& context) const {
    if (call.vcpu >= context.domain.vcpu_count || context.domain.vcpus[call.vcpu] == nullptr)
        return fail(Error::no_entry);
    Vcpu& target = *context.domain.vcpus[call.vcpu];
    const bool own = &target == &context.caller;
    switch (call.command) {
    case VCPUOP_initialise:
        return initialise_pae(target, call.argument);
    case VCPUOP_get_runstate_info:
        return tell_pae_runstate(target, call.argument);
    case VCPUOP_register_runstate_memory_area:
        return register_pae_runstate_area(target, call.argument, own);
    case VCPUOP_register_vcpu_time_memory_area:
        return register_pae_time_area(target, call.argument, own);
    case VCPUOP_set_singleshot_timer: {
        if (!own)
            return fail(Error::invalid);
        const auto request = GuestPtr<pae_abi::VcpuSetSingleshotTimer>{call.argument}.read();
        return request ? set_single(target, request->timeout_abs_ns) : fail(request.error());
    }
    default:
        return call.run(context);
    }
}

HypercallResult VcpuOp::run(HypercallContext& context) const {
    if (vcpu >= context.domain.vcpu_count || context.domain.vcpus[vcpu] == nullptr)
        return fail(Error::no_entry);
    Vcpu& target = *context.domain.vcpus[vcpu];
    switch (command) {
    case VCPUOP_initialise:
        return initialise(target, argument);
    case VCPUOP_up:
        if (!target.sched.initialised)
            return fail(Error::invalid);
        set_online(target, true);
        return 0;
    case VCPUOP_down:
        take_down(target);
        return 0;
    case VCPUOP_is_up:
        return target.sched.online ? 1 : 0;
    case VCPUOP_get_runstate_info:
        return tell_runstate(target, argument);
    case VCPUOP_register_runstate_memory_area: {
        const auto done = register_area(argument, target.runstate.area);
        if (done && &target == &context.caller)
            publish_runstate(target);
        return done;
    }
    case VCPUOP_register_vcpu_time_memory_area:
        return register_time_area(target, argument, &target == &context.caller);
    case VCPUOP_set_periodic_timer:
        return set_period(target, argument);
    case VCPUOP_stop_periodic_timer:
        set_periodic(target, Nanos{0});
        return 0;
    case VCPUOP_set_singleshot_timer: {
        if (&target != &context.caller)
            return fail(Error::invalid);
        const auto request = GuestPtr<vcpu_set_singleshot_timer_t>{argument}.read();
        return request ? set_single(target, request->timeout_abs_ns) : fail(request.error());
    }
    case VCPUOP_stop_singleshot_timer:
        if (&target != &context.caller)
            return fail(Error::invalid);
        clear_oneshot(target);
        return 0;
    case VCPUOP_send_nmi:
        return send_nmi(target, argument);
    case VCPUOP_register_vcpu_info: {
        const auto request = GuestPtr<vcpu_register_vcpu_info_t>{argument}.read();
        return request ? from(move_info(target, *request)) : fail(request.error());
    }
    default:
        return fail(Error::not_implemented);
    }
}

} // namespace bulkhead::hv
