// Operations of guests and the control plane on a domain's ports: bind, close, ask, send. The caller has
// resolved the domain and its rights; everything else is checked here.
#pragma once

#include "hv/event/channel.hpp"

namespace bulkhead::hv {

// A port of `domain` that `remote` may connect to. If there is no such domain now, no domain may.
[[nodiscard]] Result<Port> alloc_unbound(Domain& domain, DomainId remote);
// Connects a new port of `domain` to `remote_port` of `remote`, which must wait for it.
[[nodiscard]] Result<Port> bind_interdomain(Domain& domain, Domain& remote, Port remote_port);
[[nodiscard]] Result<Port> bind_virq(Domain& domain, std::uint32_t virq, std::uint32_t vcpu);
[[nodiscard]] Result<Port> bind_ipi(Domain& domain, std::uint32_t vcpu);
// Changes the vCPU that is notified. Ports of one vCPU (IPIs, its virtual interrupts) stay where they are.
[[nodiscard]] Result<> bind_vcpu(Domain& domain, Port port, std::uint32_t vcpu);
[[nodiscard]] Result<> close_port(Domain& domain, Port port);
// Notifies the other end. `sender` is for the trace.
[[nodiscard]] Result<> send_event(Domain& domain, const Vcpu& sender, Port port);
// Clears the mask bit and, if the port was pending behind it, notifies the vCPU now.
[[nodiscard]] Result<> unmask_port(Domain& domain, Port port);
[[nodiscard]] Result<evtchn_status_t> port_status(Domain& domain, Port port);

} // namespace bulkhead::hv
