// Event channels (2-level ABI): the only interrupts that a guest has. Ports live in pages of their domain's
// metadata quota. A guest may spoil bits in the shared page; the vCPU that is notified follows from EventPort
// alone.
#pragma once

#include "abi/types.hpp"
#include "hv/base/error.hpp"
#include "hv/base/lock.hpp"

#include <span>

extern "C" {
#include <xen/event_channel.h>
#include <xen/xen.h>
}

namespace bulkhead::hv {

struct Domain;
struct Vcpu;

inline constexpr std::uint32_t max_ports = 4096; // what the 2-level ABI holds for 64-bit guests
static_assert(max_ports == EVTCHN_2L_NR_CHANNELS);

// A port bound to the hypervisor itself calls this when its guest sends: the back ends of rings. No lock is
// held.
using PortHandler = void (*)(Domain& domain, Port port);

// Set in EventPort::vcpu of a 32-bit domain's ports: no vCPU has that number, so that the common way to
// notify one needs no question to find out that this one is told in another form.
inline constexpr std::uint16_t pae_vcpu = 0x8000;

struct EventPort {
    enum class State : std::uint8_t { free, reserved, unbound, interdomain, virq, ipi, hypervisor };
    State state = State::free;
    std::uint8_t virq = 0;
    std::uint16_t vcpu = 0; // to be notified
    std::uint16_t remote_domain =
        0; // unbound: the domain that may bind, or DOMID_INVALID; interdomain: the peer
    std::uint32_t remote_port = 0;
    PortHandler handler = nullptr; // state hypervisor
};

struct EventChannels {
    static constexpr std::uint32_t ports_per_page = page_bytes / sizeof(EventPort);
    static constexpr std::uint32_t page_count = (max_ports + ports_per_page - 1) / ports_per_page;
    static constexpr std::uint32_t max_event_vcpus = 32;

    Lock<Rank::ports> lock;             // the ports' contents; taken last, never two domains' at once
    EventPort* pages[page_count];       // filled from the first on, as ports are
    std::uint64_t used[max_ports / 64]; // bit n: port n is not free; changed under the binding lock
    std::uint16_t virq_port[max_event_vcpus][NR_VIRQS]; // 0 for none
    struct {
        std::uint32_t slot, word;
    } forgetting; // how far forget_domain_in_ports has come

    // Port 0 is reserved for ever. Answers no_memory when the domain's quota is used up.
    [[nodiscard]] Result<> start(Domain& domain);
    // nullptr if never allocated.
    [[nodiscard]] EventPort* find(Port port) const {
        if (port.value() >= max_ports)
            return nullptr;
        EventPort* page = pages[port.value() / ports_per_page];
        return page == nullptr ? nullptr : &page[port.value() % ports_per_page];
    }
    // The port's contents at this instant; state free if the port does not exist.
    [[nodiscard]] EventPort snapshot(Port port) {
        const LockGuard guard{lock};
        const EventPort* found = find(port);
        return found == nullptr ? EventPort{} : *found;
    }
};

// Makes `port` of `domain` pending and wakes or kicks its vCPU as the ABI says (selector, masks,
// upcall_pending, pollers). No-op for a port that is not bound. Takes domain.events.lock; may be called with
// any other lock held.
void raise_port(Domain& domain, Port port);
// The virtual interrupt of one vCPU (VIRQ_TIMER) or of the domain (VIRQ_DOM_EXC, …, delivered to vCPU 0).
// No-op if unbound.
void raise_virq(Vcpu& vcpu, std::uint32_t virq);
void raise_global_virq(Domain& domain, std::uint32_t virq);
// A new port of `domain` whose other end is the hypervisor.
[[nodiscard]] Result<Port> bind_hypervisor_port(Domain& domain, PortHandler handler);
// `port` of `domain`, which waits for `awaited`, gets the hypervisor as its other end, and waits again after
// release_hypervisor_port, unless the guest has closed it meanwhile. Fails with `invalid` if it does not
// wait.
[[nodiscard]] Result<> take_waiting_port(Domain& domain, Port port, DomainId awaited, PortHandler handler);
void release_hypervisor_port(Domain& domain, Port port, DomainId awaited, PortHandler handler);
// raise_port, but only while `port` still is a hypervisor port with this handler: the guest may have closed
// it.
void raise_hypervisor_port(Domain& domain, Port port, PortHandler handler);
// A connected pair for the control plane: `guest` gets the first port, `peer` the second.
struct PortPair {
    Port guest, peer;
};
[[nodiscard]] Result<PortPair> connect_ports(Domain& guest, Domain& peer);
// Closes every port but 0; peers see theirs unbound. Answers restart until done.
[[nodiscard]] Result<> reset_ports(Domain& domain);
// reset_ports, then gives the ports' pages back. For a domain that will never run again. Answers restart
// until done.
[[nodiscard]] Result<> close_all_ports(Domain& domain);
// Ports that waited for this dying domain wait for nobody from now on: the next domain with its id cannot
// bind them. After close_all_ports. Answers restart until done.
[[nodiscard]] Result<> forget_domain_in_ports(Domain& dead);
// True if `vcpu` has a pending, unmasked upcall or (while polling) a polled pending port. With several polled
// ports (Poll::port 0) it is raise_port that ends the poll, by clearing Poll::active.
[[nodiscard]] bool has_work(const Vcpu& vcpu);
// SCHEDOP_poll's test, to be made after Poll::active was set so that no event falls in between. Fails with
// `invalid` for a port number outside the ABI.
[[nodiscard]] Result<bool> any_port_pending(Domain& domain, std::span<const evtchn_port_t> ports);

} // namespace bulkhead::hv
