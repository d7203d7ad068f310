// Event channels, timers and waiting, vCPUs.
#include "hv/base/machine.hpp"
#include "tests/fuzz/whole/boot.hpp"
#include "tests/fuzz/whole/calls.hpp"

extern "C" {
#include <xen/event_channel.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/xen.h>
}

namespace bulkhead::hv::whole {

Call Calls::events(Vcpu& vcpu, Place& place) {
    const auto make = [&](std::uint64_t command, const auto& argument) -> Call {
        return {__HYPERVISOR_event_channel_op, {command, place.put(argument)}};
    };
    const auto port = input_.below(24);
    const auto whose = input_.below(vcpu.domain->vcpu_count + 1);
    switch (input_.below(14)) {
    case 0:
    case 1:
        return make(EVTCHNOP_alloc_unbound, evtchn_alloc_unbound_t{DOMID_SELF, any_domain(), 0});
    case 2:
    case 3:
        return make(EVTCHNOP_bind_interdomain, evtchn_bind_interdomain_t{any_domain(), port, 0});
    case 4:
        return make(EVTCHNOP_bind_virq, evtchn_bind_virq_t{input_.below(4), whose, 0});
    case 5:
        return make(EVTCHNOP_bind_virq, evtchn_bind_virq_t{VIRQ_TIMER, whose, 0});
    case 6:
        return make(EVTCHNOP_bind_ipi, evtchn_bind_ipi_t{whose, 0});
    case 7:
        return make(EVTCHNOP_close, evtchn_close_t{port});
    case 8:
        return make(EVTCHNOP_bind_vcpu, evtchn_bind_vcpu_t{port, whose});
    case 9:
        return make(EVTCHNOP_unmask, evtchn_unmask_t{port});
    case 10: {
        evtchn_status_t status{};
        status.dom = any_domain();
        status.port = port;
        return make(EVTCHNOP_status, status);
    }
    case 11:
        if (input_.below(8) == 0)
            return make(EVTCHNOP_reset, evtchn_reset_t{DOMID_SELF});
        [[fallthrough]];
    default:
        return make(EVTCHNOP_send, evtchn_send_t{port});
    }
}

Call Calls::time(Vcpu& vcpu, Place& place) {
    const auto choice = input_.below(vcpu.domain->privileged ? 2 : 8); // domain 0 never waits
    switch (choice) {
    case 0:
        return {__HYPERVISOR_set_timer_op, {input_.below(8) == 0 ? 0 : any_instant()}};
    case 1:
        return {__HYPERVISOR_sched_op, {SCHEDOP_yield}};
    case 2:
    case 3:
        return {__HYPERVISOR_sched_op, {SCHEDOP_block}};
    case 4: {
        auto* const ports = place.array<evtchn_port_t>(4);
        const auto count = input_.below(5);
        for (std::uint32_t i = 0; i < count; ++i)
            ports[i % 4] = input_.below(24);
        sched_poll_t poll{};
        poll.ports.p = ports;
        poll.nr_ports = count;
        poll.timeout = input_.below(4) == 0 ? 0 : any_instant();
        return {__HYPERVISOR_sched_op, {SCHEDOP_poll, place.put(poll)}};
    }
    case 5:
        if (input_.below(16) == 0)
            return {__HYPERVISOR_sched_op, {SCHEDOP_shutdown, place.put(sched_shutdown_t{input_.below(5)})}};
        [[fallthrough]];
    default:
        return timers_of_vcpus(vcpu, place, input_.below(vcpu.domain->vcpu_count + 1));
    }
}

Call Calls::timers_of_vcpus(Vcpu& vcpu, Place& place, std::uint64_t whose) {
    static_cast<void>(vcpu);
    switch (input_.below(4)) {
    case 0:
        return {__HYPERVISOR_vcpu_op, {VCPUOP_stop_periodic_timer, whose, 0}};
    case 1:
        return {__HYPERVISOR_vcpu_op,
                {VCPUOP_set_singleshot_timer, whose,
                 place.put(vcpu_set_singleshot_timer_t{any_instant(), input_.below(2)})}};
    case 2:
        return {__HYPERVISOR_vcpu_op, {VCPUOP_stop_singleshot_timer, whose, 0}};
    default:
        return {__HYPERVISOR_vcpu_op,
                {VCPUOP_set_periodic_timer, whose,
                 place.put(vcpu_set_periodic_timer_t{input_.byte() * std::uint64_t{100'000}})}};
    }
}

Call Calls::vcpus(Vcpu& vcpu, Place& place) {
    const std::uint64_t whose = input_.below(vcpu.domain->vcpu_count + 1);
    const auto make = [&](std::uint64_t command, std::uint64_t argument) -> Call {
        return {__HYPERVISOR_vcpu_op, {command, whose, argument}};
    };
    switch (input_.below(9)) {
    case 0:
    case 1: {
        auto context = context_of(input_.below(4) == 0 ? any_frame(*vcpu.domain) : vcpu.tables.kernel_root);
        context.gdt_ents = input_.below(4) == 0 ? input_.byte() * 64U : 0;
        for (auto& frame : context.gdt_frames)
            frame = any_frame(*vcpu.domain).value();
        if (input_.below(2) == 0)
            context.flags &= ~static_cast<unsigned long>(VGCF_online);
        return make(VCPUOP_initialise, place.put(context));
    }
    case 2:
        return make(VCPUOP_up, 0);
    case 3:
        return vcpu.domain->privileged ? make(VCPUOP_is_up, 0) : make(VCPUOP_down, 0);
    case 4:
        return make(VCPUOP_get_runstate_info, place.room(sizeof(vcpu_runstate_info_t)));
    case 5:
        return make(VCPUOP_register_runstate_memory_area,
                    place.put(place.room(sizeof(vcpu_runstate_info_t))));
    case 6:
        return make(VCPUOP_register_vcpu_time_memory_area, place.put(place.room(sizeof(vcpu_time_info_t))));
    case 7: {
        vcpu_register_vcpu_info_t where{};
        where.mfn = any_frame(*vcpu.domain).value();
        where.offset = input_.below(4) * 64 + (input_.below(8) == 0 ? 4095 : 0);
        return make(VCPUOP_register_vcpu_info, place.put(where));
    }
    default:
        return make(VCPUOP_send_nmi, 0);
    }
}

} // namespace bulkhead::hv::whole
