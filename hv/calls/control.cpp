#include "hv/calls/control.hpp"

#include "hv/base/locks.hpp"
#include "hv/calls/creation.hpp"
#include "hv/calls/parameters.hpp"
#include "hv/calls/steering.hpp"
#include "hv/dispatch/dispatch.hpp"
#include "hv/dispatch/run.hpp"
#include "hv/dispatch/service.hpp"
#include "hv/dispatch/standstill.hpp"
#include "hv/domain/audit.hpp"
#include "hv/domain/life.hpp"
#include "hv/domain/vcpu_context.hpp"
#include "hv/io/block.hpp"
#include "hv/io/console.hpp"
#include "hv/io/net.hpp"
#include "hv/plugin/candidates.hpp"
#include "hv/plugin/devices.hpp"
#include "hv/plugin/memory_policy.hpp"
#include "hv/plugin/scheduler.hpp"
#include "hv/trace/landmark.hpp"
#include "hv/trace/trace.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <span>

namespace bulkhead::hv {

namespace {

HypercallResult from(Result<> result) {
    if (!result)
        return fail(result.error());
    return 0;
}

HypercallResult set_vcpu(Domain& caller, std::uint64_t argument) {
    const auto request = GuestPtr<control::SetVcpu>{argument}.read();
    if (!request)
        return fail(request.error());
    const auto domain = other_domain(caller, request->domain);
    if (!domain)
        return fail(domain.error());
    if (request->vcpu >= (*domain)->vcpu_count)
        return fail(Error::no_entry);
    if ((*domain)->vcpus[request->vcpu] == nullptr)
        return fail(Error::no_entry); // it is dying
    Vcpu& vcpu = *(*domain)->vcpus[request->vcpu];
    if (vcpu.sched.initialised)
        return fail(Error::exists);
    return from(load_context_from_guest(vcpu, GuestPtr<vcpu_guest_context_t>{request->context}));
}

HypercallResult set_rings(Domain& caller, std::uint64_t argument) {
    const GuestPtr<control::SetRings> where{argument};
    auto request = where.read();
    if (!request)
        return fail(request.error());
    const auto domain = other_domain(caller, request->domain);
    if (!domain)
        return fail(domain.error());
    const auto console = console_connect(**domain, Mfn{request->console_mfn});
    if (!console)
        return fail(console.error());
    const auto store = connect_ports(**domain, caller);
    if (!store)
        return fail(store.error());
    request->console_port = console->value();
    request->store_port = store->guest.value();
    request->store_remote_port = store->peer.value();
    return from(where.write(*request));
}

// Domain 0's holds on a domain are not counted: paused or running is one state to the control plane.
HypercallResult let_run(Domain& domain) {
    const LockGuard run{run_lock()};
    if (domain.life == control::Life::paused) {
        domain.life = control::Life::running;
        trace_event(trace::Event::domain_unpause, domain, 0, 0);
        unpause_all(domain);
    }
    return 0;
}

// All at one instant: the vCPUs have waited since then, and none is picked before all are queued.
HypercallResult release_at_once(Domain& caller, std::uint64_t argument) {
    const auto request = GuestPtr<control::Release>{argument}.read();
    if (!request)
        return fail(request.error());
    if (request->count > control::most_released)
        return fail(Error::invalid);
    std::array<Domain*, control::most_released> all{};
    std::uint32_t vcpus = 0;
    for (std::uint32_t i = 0; i < request->count; ++i) {
        const auto domain = other_domain(caller, request->domains[i]);
        if (!domain)
            return fail(domain.error());
        all[i] = *domain;
        vcpus += all[i]->vcpu_count;
    }
    if (vcpus > control::most_released)
        return fail(Error::invalid);
    const LockGuard run{run_lock()};
    const auto now = machine::now();
    for (auto* domain : std::span{all}.first(request->count)) {
        if (domain->life != control::Life::paused)
            continue;
        domain->life = control::Life::running;
        trace_event(trace::Event::domain_unpause, *domain, 0, 0);
        unpause_all(*domain, now);
    }
    return 0;
}

HypercallResult hold(Domain& domain) {
    const LockGuard run{run_lock()};
    if (domain.life == control::Life::running) {
        domain.life = control::Life::paused;
        trace_event(trace::Event::domain_pause, domain, 0, 0);
        pause_all(domain);
    }
    return 0;
}

HypercallResult set_weight(Domain& domain, std::uint64_t weight) {
    if (weight == 0 || weight > heaviest_domain)
        return fail(Error::invalid);
    {
        const LockGuard run{run_lock()};
        domain.sched.weight = static_cast<std::uint32_t>(weight);
        scheduler::tune(domain);
    }
    memory_policy::tune(domain);
    block_weight_changed(domain);
    net_weight_changed(domain);
    return 0;
}

HypercallResult tell_info(std::uint64_t argument) {
    const GuestPtr<control::DomainInfo> where{argument};
    auto info = where.read();
    if (!info)
        return fail(info.error());
    const Domain* domain = find_domain(DomainId{info->id});
    if (domain == nullptr)
        return fail(Error::no_domain);
    info->vcpus = static_cast<std::uint16_t>(domain->vcpu_count);
    info->life = domain->life;
    info->shutdown_reason = domain->shutdown_reason;
    info->weight = domain->sched.weight;
    info->frames = domain->memory.frames.count;
    info->max_frames = domain->memory.max_frames;
    info->target = static_cast<std::uint64_t>(domain->allotment.memory.target.count());
    info->guest_ns = domain->ledger->guest_ns;
    return from(where.write(*info));
}

HypercallResult run_audit(Domain& caller) {
    const auto violations = audit_everything(caller);
    if (!violations)
        return fail(violations.error());
    return static_cast<std::int64_t>(*violations);
}

HypercallResult finish(std::uint64_t status) {
    using landmark::Exit;
    const auto exit = static_cast<Exit>(status);
    if (exit != Exit::all_off && exit != Exit::bad_input && exit != Exit::guest_crashed &&
        exit != Exit::time_over)
        return fail(Error::invalid);
    end_run(exit, "");
}

// Other parameters than the manifest's, if they are given: read once, each within its row's range.
Result<> read_parameters(Candidate& candidate, std::uint64_t given,
                         std::int64_t (&values)[plugin::max_parameters]) {
    if (given == 0)
        return {};
    const auto& descriptor = *candidate.plugin.descriptor;
    const auto count = std::min<std::size_t>(descriptor.parameter_count, plugin::max_parameters);
    if (!machine::copy_from_guest(values, GuestAddress{given}, count * sizeof values[0]))
        return fail(Error::bad_address);
    for (std::size_t i = 0; i < count; ++i)
        if (values[i] < descriptor.parameters[i].least || values[i] > descriptor.parameters[i].most)
            return fail(Error::out_of_range);
    candidate.values = values;
    return {};
}

HypercallResult swap(std::uint64_t index, std::uint64_t parameters) {
    const auto* found = find_candidate(index);
    if (found == nullptr)
        return fail(Error::no_entry);
    auto candidate = *found;
    std::int64_t values[plugin::max_parameters]{};
    BULKHEAD_TRY(read_parameters(candidate, parameters, values));
    switch (candidate.plugin.descriptor->kind) {
    case plugin::Kind::memory:
        return from(memory_policy::replace(candidate.plugin, candidate.values));
    case plugin::Kind::ring: {
        const LockGuard drive_held{drive_lock()};
        return from(devices::replace_policies(candidate.plugin, candidate.values));
    }
    case plugin::Kind::scheduler:
        break;
    }
    return from(swap_scheduler(candidate));
}

// No lock keeps the domain alive here: only domain 0, which has one vCPU and is in this call, could destroy
// it.
template<class Change>
HypercallResult with_vcpu(Domain& caller, std::uint64_t who, Change change) {
    const auto domain = other_domain(caller, who >> 16);
    if (!domain)
        return fail(domain.error());
    const auto vcpu = who & 0xffff;
    if (vcpu >= (*domain)->vcpu_count || (*domain)->vcpus[vcpu] == nullptr)
        return fail(Error::no_entry);
    return from(change(*(*domain)->vcpus[vcpu]));
}

HypercallResult connect_disk(Domain& caller, std::uint64_t argument) {
    const auto request = GuestPtr<control::ConnectDisk>{argument}.read();
    if (!request)
        return fail(request.error());
    const auto domain = other_domain(caller, request->domain);
    if (!domain)
        return fail(domain.error());
    return from(connect_block(**domain, {.disk = request->disk,
                                         .ring = GrantRef{request->ring_ref},
                                         .port = Port{request->port},
                                         .values = request->has_values != 0 ? request->values : nullptr,
                                         .group = request->group,
                                         .narrow = request->narrow != 0}));
}

HypercallResult connect_net(Domain& caller, std::uint64_t argument) {
    const auto request = GuestPtr<control::ConnectInterface>{argument}.read();
    if (!request)
        return fail(request.error());
    const auto domain = other_domain(caller, request->domain);
    if (!domain)
        return fail(domain.error());
    return from(connect_interface(**domain, {.interface = request->interface,
                                             .tx = GrantRef{request->tx_ring_ref},
                                             .rx = GrantRef{request->rx_ring_ref},
                                             .event = Port{request->port},
                                             .takes = request->takes,
                                             .values = request->has_values != 0 ? request->values : nullptr,
                                             .group = request->group}));
}

template<class Act>
HypercallResult with_domain(Domain& caller, std::uint64_t id, Act act) {
    const auto domain = other_domain(caller, id);
    return domain ? act(**domain) : fail(domain.error());
}

HypercallResult serve(HypercallContext& context, std::uint64_t id) {
    const auto begin = [&context](Domain& payer) -> HypercallResult {
        const LockGuard run{run_lock()};
        work_for(context.caller, payer);
        return 0;
    };
    return id == context.domain.id.value() ? begin(context.domain) : with_domain(context.domain, id, begin);
}

// A domain that is about to go can be worked for no longer.
HypercallResult destroy(HypercallContext& context, std::uint64_t id) {
    if (context.caller.service.foreign)
        BULKHEAD_TRY(serve(context, context.domain.id.value()));
    return with_domain(context.domain, id, [](Domain& domain) { return from(destroy_domain(domain)); });
}

} // namespace

// Those that wait for other pCPUs take their own locks.
HypercallResult Control::run(HypercallContext& context) const {
    if (call == control::Call::mark) {
        trace_event(trace::Event::mark, context.caller, first, second);
        if (first == control::page_fault_mark)
            memory_policy::claim_stall(context.domain, second);
        return 0;
    }
    if (!context.domain.privileged)
        return fail(Error::permission);
    switch (call) {
    case control::Call::swap_policy:
        return swap(first, second);
    case control::Call::set_affinity:
        return with_vcpu(context.domain, first, [&](Vcpu& vcpu) { return set_affinity(vcpu, second); });
    case control::Call::set_preferred:
        return with_vcpu(context.domain, first, [&](Vcpu& vcpu) -> Result<> {
            set_preferred(vcpu, second);
            return {};
        });
    case control::Call::stand_still:
        return stand_still(first);
    default:
        return run_alone(context);
    }
}

HypercallResult Control::run_alone(HypercallContext& context) const {
    Domain& caller = context.domain;
    const LockGuard alone{control_lock()};
    switch (call) {
    case control::Call::create_domain:
        return create_by_call(context, first, second);
    case control::Call::set_vcpu:
        return set_vcpu(caller, first);
    case control::Call::set_rings:
        return set_rings(caller, first);
    case control::Call::release_domains:
        return release_at_once(context.domain, first);
    case control::Call::unpause_domain:
        return with_domain(caller, first, let_run);
    case control::Call::pause_domain:
        return with_domain(caller, first, hold);
    case control::Call::destroy_domain:
        return destroy(context, first);
    case control::Call::domain_info:
        return tell_info(first);
    case control::Call::set_weight:
        return with_domain(caller, first, [this](Domain& domain) { return hv::set_weight(domain, second); });
    case control::Call::set_parameters:
        return with_domain(caller, first,
                           [this](Domain& domain) { return from(hv::set_parameters(domain, second)); });
    case control::Call::audit:
        return run_audit(caller);
    case control::Call::end_run:
        return finish(first);
    case control::Call::started:
        begin_run();
        return 0;
    case control::Call::work_for:
        return serve(context, first);
    case control::Call::connect_disk:
        return connect_disk(caller, first);
    case control::Call::disconnect_disk:
        return with_domain(caller, first,
                           [this](Domain& domain) { return from(disconnect_block(domain, second)); });
    case control::Call::connect_interface:
        return connect_net(caller, first);
    case control::Call::disconnect_interface:
        return with_domain(caller, first,
                           [this](Domain& domain) { return from(disconnect_interface(domain, second)); });
    case control::Call::note_timeline:
        trace_event(trace::Event::timeline, first, second);
        return 0;
    default:
        return fail(Error::not_implemented);
    }
}

} // namespace bulkhead::hv
