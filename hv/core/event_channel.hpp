// Event channels (2-level ABI): the only interrupts that a guest has. Ports live in pages of their domain's metadata quota.
#pragma once

#include "abi/types.hpp"
#include "hv/core/error.hpp"

extern "C" {
#include <xen/event_channel.h>
#include <xen/xen.h>
}

namespace bulkhead::hv {

struct Domain;
struct Vcpu;

inline constexpr std::uint32_t max_ports = 4096; // what the 2-level ABI holds for 64-bit guests

// A port bound to the hypervisor itself calls this when its guest sends: the back ends of rings.
using PortHandler = void (*)(Domain& domain, Port port);

struct EventPort {
    enum class State : std::uint8_t { free, reserved, unbound, interdomain, virq, ipi, hypervisor };
    State state;
    std::uint8_t virq;
    std::uint16_t vcpu;          // to be notified
    std::uint16_t remote_domain; // unbound: who may bind; interdomain: the peer
    std::uint32_t remote_port;
    PortHandler handler; // state hypervisor
};

struct EventChannels {
    static constexpr std::uint32_t ports_per_page = 4096 / sizeof(EventPort);
    EventPort* pages[max_ports / ports_per_page + 1];
    std::uint16_t virq_port[32][NR_VIRQS]; // [vCPU][virq], 0 for none

    // Port 0 is reserved for ever. Answers no_memory when the domain's quota is used up.
    [[nodiscard]] Result<> start(Domain& domain);
    [[nodiscard]] EventPort* find(Port port); // nullptr if never allocated
};

// Makes `port` of `domain` pending and wakes or kicks its vCPU as the ABI says (selector, masks, upcall_pending, pollers).
void raise_port(Domain& domain, Port port);
// The virtual interrupt of one vCPU (VIRQ_TIMER) or of the domain (VIRQ_DOM_EXC, …, delivered to vCPU 0). No-op if unbound.
void raise_virq(Vcpu& vcpu, std::uint32_t virq);
void raise_global_virq(Domain& domain, std::uint32_t virq);
// A new port of `domain` whose other end is the hypervisor.
[[nodiscard]] Result<Port> bind_hypervisor_port(Domain& domain, PortHandler handler);
// A connected pair for the control plane: `guest` gets the first port, `peer` the second.
struct PortPair {
    Port guest, peer;
};
[[nodiscard]] Result<PortPair> connect_ports(Domain& guest, Domain& peer);
// Closes every port; peers see theirs unbound. Answers restart until done.
[[nodiscard]] Result<> close_all_ports(Domain& domain);
// True if `vcpu` has a pending, unmasked upcall or (while polling) a polled pending port.
[[nodiscard]] bool has_work(const Vcpu& vcpu);

} // namespace bulkhead::hv
