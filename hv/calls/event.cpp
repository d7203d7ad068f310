// event_channel_op: reads the guest's argument once, acts, and writes the answer back.

#include "hv/calls/event.hpp"

#include "hv/domain/domain.hpp"
#include "hv/event/bind.hpp"

namespace bulkhead::hv {

namespace {

// A call's argument: read whole, changed by the operation, written back whole.
template<class T, class Operation>
[[nodiscard]] HypercallResult with_argument(std::uint64_t address, Operation operation) {
    const GuestPtr<T> pointer{address};
    auto argument = pointer.read();
    if (!argument)
        return fail(argument.error());
    BULKHEAD_TRY(operation(*argument));
    BULKHEAD_TRY(pointer.write(*argument));
    return 0;
}

// The same for calls that answer nothing.
template<class T, class Operation>
[[nodiscard]] HypercallResult with_input(std::uint64_t address, Operation operation) {
    const auto argument = GuestPtr<T>{address}.read();
    if (!argument)
        return fail(argument.error());
    BULKHEAD_TRY(operation(*argument));
    return 0;
}

[[nodiscard]] Result<> assign(evtchn_port_t& to, const Result<Port>& port) {
    if (!port)
        return fail(port.error());
    to = port->value();
    return {};
}

// A domain that is only to be talked to: no right over it is needed.
[[nodiscard]] Result<DomainHold> find_peer(Domain& caller, domid_t id) {
    auto peer = id == DOMID_SELF ? DomainHold::own(caller) : hold_domain(DomainId{id});
    if (!peer)
        return fail(Error::no_domain);
    return peer;
}

[[nodiscard]] Result<> allocate(Domain& caller, evtchn_alloc_unbound_t& argument) {
    const auto domain = resolve_domain(caller, argument.dom);
    if (!domain)
        return fail(domain.error());
    const DomainId remote = argument.remote_dom == DOMID_SELF ? caller.id : DomainId{argument.remote_dom};
    return assign(argument.port, alloc_unbound(**domain, remote));
}

[[nodiscard]] Result<> connect(Domain& caller, evtchn_bind_interdomain_t& argument) {
    const auto remote = find_peer(caller, argument.remote_dom);
    if (!remote)
        return fail(remote.error());
    return assign(argument.local_port, bind_interdomain(caller, **remote, Port{argument.remote_port}));
}

[[nodiscard]] Result<> tell_status(Domain& caller, evtchn_status_t& argument) {
    const auto domain = resolve_domain(caller, argument.dom);
    if (!domain)
        return fail(domain.error());
    const auto status = port_status(**domain, Port{argument.port});
    if (!status)
        return fail(status.error());
    const domid_t asked = argument.dom;
    argument = *status;
    argument.dom = asked;
    return {};
}

[[nodiscard]] Result<> reset(Domain& caller, const evtchn_reset_t& argument) {
    const auto domain = resolve_domain(caller, argument.dom);
    if (!domain)
        return fail(domain.error());
    return reset_ports(**domain); // restart: the same arguments finish it
}

// All but sending, which is the one that is made all the time.
[[gnu::noinline]] HypercallResult run_binding(const EventChannelOp& call, HypercallContext& context) {
    Domain& self = context.domain;
    const auto argument = call.argument;
    switch (call.command) {
    case EVTCHNOP_alloc_unbound:
        return with_argument<evtchn_alloc_unbound_t>(argument, [&](auto& a) { return allocate(self, a); });
    case EVTCHNOP_bind_interdomain:
        return with_argument<evtchn_bind_interdomain_t>(argument, [&](auto& a) { return connect(self, a); });
    case EVTCHNOP_bind_virq:
        return with_argument<evtchn_bind_virq_t>(
            argument, [&](auto& a) { return assign(a.port, bind_virq(self, a.virq, a.vcpu)); });
    case EVTCHNOP_bind_ipi:
        return with_argument<evtchn_bind_ipi_t>(
            argument, [&](auto& a) { return assign(a.port, bind_ipi(self, a.vcpu)); });
    case EVTCHNOP_status:
        return with_argument<evtchn_status_t>(argument, [&](auto& a) { return tell_status(self, a); });
    case EVTCHNOP_close:
        return with_input<evtchn_close_t>(argument, [&](auto& a) { return close_port(self, Port{a.port}); });
    case EVTCHNOP_bind_vcpu:
        return with_input<evtchn_bind_vcpu_t>(argument,
                                              [&](auto& a) { return bind_vcpu(self, Port{a.port}, a.vcpu); });
    case EVTCHNOP_unmask:
        return with_input<evtchn_unmask_t>(argument,
                                           [&](auto& a) { return unmask_port(self, Port{a.port}); });
    case EVTCHNOP_reset:
        return with_input<evtchn_reset_t>(argument, [&](auto& a) { return reset(self, a); });
    case EVTCHNOP_bind_pirq:
        return fail(Error::permission); // no guest has physical interrupts
    case EVTCHNOP_init_control:
    case EVTCHNOP_expand_array:
        return fail(Error::not_supported);
    default:
        return fail(Error::not_implemented); // set_priority among them, which two levels do not have
    }
}

} // namespace

HypercallResult EventChannelOp::run(HypercallContext& context) const {
    if (command != EVTCHNOP_send)
        return run_binding(*this, context);
    return with_input<evtchn_send_t>(argument, [&](const evtchn_send_t& a) {
        return send_event(context.domain, context.caller, Port{a.port});
    });
}

} // namespace bulkhead::hv
