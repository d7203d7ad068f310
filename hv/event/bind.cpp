// Binding, closing and sending. Decides which domains may be connected; channel.cpp delivers the events.

#include "hv/event/bind.hpp"

#include "abi/pae.hpp"
#include "hv/base/machine.hpp"
#include "hv/domain/domain.hpp"
#include "hv/event/bits.hpp"
#include "hv/event/internal.hpp"
#include "hv/pae/events.hpp"
#include "hv/trace/ledger.hpp"
#include "hv/trace/trace.hpp"

#include <bit>

namespace bulkhead::hv {

namespace {

using State = EventPort::State;

constexpr std::uint16_t nobody = DOMID_INVALID; // a domain that such a port waits for never comes

[[nodiscard]] bool has_vcpu(const Domain& domain, std::uint32_t vcpu) {
    return vcpu < domain.vcpu_count && domain.vcpus[vcpu] != nullptr;
}

// Each vCPU has its own; all others exist once per domain and start on vCPU 0.
[[nodiscard]] constexpr bool is_per_vcpu(std::uint32_t virq) {
    return virq == VIRQ_TIMER || virq == VIRQ_DEBUG || virq == VIRQ_XENOPROF || virq == VIRQ_XENPMU;
}

[[nodiscard]] std::uint16_t narrow(std::uint32_t value) { return static_cast<std::uint16_t>(value); }

// The other end of a closed connection waits for its peer again. It names this domain: connections are made
// and parted at both ends under one lock, and a domain closes its ports before it goes.
void part_from_peer(const EventPort& closing) {
    Domain* peer = find_domain(DomainId{closing.remote_domain});
    if (peer == nullptr)
        return;
    EventPort other = peer->events.snapshot(Port{closing.remote_port});
    other.state = State::unbound;
    other.remote_port = 0;
    events::store(*peer, Port{closing.remote_port}, other);
}

// binding_lock is held; the port is neither free nor reserved.
void close_bound(Domain& domain, Port port, const EventPort& closing) {
    if (closing.state == State::virq)
        for (auto& of_vcpu : domain.events.virq_port)
            if (of_vcpu[closing.virq] == port.value())
                of_vcpu[closing.virq] = 0;
    events::release_port(domain, port);
    if (closing.state == State::interdomain)
        part_from_peer(closing);
}

[[nodiscard]] bool is_open(const EventPort& port) {
    return port.state != State::free && port.state != State::reserved;
}

} // namespace

Result<Port> alloc_unbound(Domain& domain, DomainId remote) {
    if (domain.life == control::Life::dying)
        return fail(Error::no_domain);
    const LockGuard guard{events::binding_lock()};
    // Who is not there may have died since the caller heard of it: a stranger will have its id.
    const Domain* named = find_domain(remote);
    const bool is_there = named != nullptr && named->life != control::Life::dying;
    return events::take_port(domain,
                             {.state = State::unbound, .remote_domain = is_there ? remote.value() : nobody});
}

Result<Port> bind_hypervisor_port(Domain& domain, PortHandler handler) {
    const LockGuard guard{events::binding_lock()};
    return events::take_port(domain,
                             {.state = State::hypervisor, .remote_domain = DOMID_XEN, .handler = handler});
}

Result<> take_waiting_port(Domain& domain, Port port, DomainId awaited, PortHandler handler) {
    const LockGuard guard{events::binding_lock()};
    EventPort found = domain.events.snapshot(port);
    if (found.state != State::unbound || found.remote_domain != awaited.value())
        return fail(Error::invalid);
    found.state = State::hypervisor;
    found.remote_domain = DOMID_XEN;
    found.handler = handler;
    events::store(domain, port, found);
    return {};
}

void release_hypervisor_port(Domain& domain, Port port, DomainId awaited, PortHandler handler) {
    const LockGuard guard{events::binding_lock()};
    EventPort found = domain.events.snapshot(port);
    if (found.state != State::hypervisor || found.handler != handler)
        return;
    found.state = State::unbound;
    found.remote_domain = awaited.value();
    found.handler = nullptr;
    events::store(domain, port, found);
}

Result<Port> bind_interdomain(Domain& domain, Domain& remote, Port remote_port) {
    if (remote.life == control::Life::dying)
        return fail(Error::no_domain);
    Result<Port> local;
    {
        const LockGuard guard{events::binding_lock()};
        EventPort other = remote.events.snapshot(remote_port);
        if (other.state != State::unbound || other.remote_domain != domain.id.value())
            return fail(Error::invalid);
        local = events::take_port(domain, {.state = State::interdomain,
                                           .remote_domain = remote.id.value(),
                                           .remote_port = remote_port.value()});
        if (!local)
            return local;
        other.state = State::interdomain;
        other.remote_port = local->value();
        events::store(remote, remote_port, other);
    }
    // The other side may have sent before anybody listened; one event too many is harmless, one too few is
    // not.
    raise_port(domain, *local);
    return local;
}

Result<PortPair> connect_ports(Domain& guest, Domain& peer) {
    const auto waiting = alloc_unbound(guest, peer.id);
    if (!waiting)
        return fail(waiting.error());
    const auto bound = bind_interdomain(peer, guest, *waiting);
    if (!bound) {
        static_cast<void>(close_port(guest, *waiting)); // just allocated: cannot fail
        return fail(bound.error());
    }
    return PortPair{.guest = *waiting, .peer = *bound};
}

Result<Port> bind_virq(Domain& domain, std::uint32_t virq, std::uint32_t vcpu) {
    if (virq >= NR_VIRQS || (!is_per_vcpu(virq) && vcpu != 0))
        return fail(Error::invalid);
    if (!has_vcpu(domain, vcpu))
        return fail(Error::no_entry);
    const LockGuard guard{events::binding_lock()};
    std::uint16_t& bound = domain.events.virq_port[vcpu][virq];
    if (bound != 0)
        return fail(Error::exists);
    const auto port = events::take_port(
        domain, {.state = State::virq, .virq = static_cast<std::uint8_t>(virq), .vcpu = narrow(vcpu)});
    if (port)
        bound = narrow(port->value());
    return port;
}

Result<Port> bind_ipi(Domain& domain, std::uint32_t vcpu) {
    if (!has_vcpu(domain, vcpu))
        return fail(Error::no_entry);
    const LockGuard guard{events::binding_lock()};
    return events::take_port(domain, {.state = State::ipi, .vcpu = narrow(vcpu)});
}

Result<> bind_vcpu(Domain& domain, Port port, std::uint32_t vcpu) {
    if (!has_vcpu(domain, vcpu))
        return fail(Error::no_entry);
    const LockGuard guard{events::binding_lock()};
    EventPort found = domain.events.snapshot(port);
    const bool movable = found.state == State::unbound || found.state == State::interdomain ||
                         found.state == State::hypervisor ||
                         (found.state == State::virq && !is_per_vcpu(found.virq));
    if (!movable)
        return fail(Error::invalid);
    found.vcpu = narrow(vcpu);
    events::store(domain, port, found);
    return {};
}

Result<> close_port(Domain& domain, Port port) {
    const LockGuard guard{events::binding_lock()};
    const EventPort closing = domain.events.snapshot(port);
    if (!is_open(closing))
        return fail(Error::invalid);
    close_bound(domain, port, closing);
    return {};
}

namespace {

// Closes the first open port of 64. False if there is none.
[[nodiscard]] bool close_first_of(Domain& domain, std::uint32_t word) {
    const LockGuard guard{events::binding_lock()};
    const auto open = domain.events.used[word] & ~std::uint64_t{word == 0}; // not port 0
    if (open == 0)
        return false;
    const Port port{64 * word + static_cast<std::uint32_t>(std::countr_zero(open))};
    close_bound(domain, port, domain.events.snapshot(port));
    return true;
}

} // namespace

Result<> reset_ports(Domain& domain) {
    // What lies behind a 32-bit guest's last port stays in use for ever.
    const std::uint32_t words = (domain.pae ? pae_abi::max_ports : max_ports) / 64;
    for (std::uint32_t word = 0; word < words; ++word)
        while (close_first_of(domain, word))
            if (machine::should_preempt())
                return fail(Error::restart);
    return {};
}

Result<> close_all_ports(Domain& domain) {
    BULKHEAD_TRY(reset_ports(domain));
    const LockGuard binding{events::binding_lock()};
    for (EventPort*& page : domain.events.pages) {
        EventPort* freed = page;
        {
            const LockGuard guard{domain.events.lock};
            page = nullptr;
        }
        if (freed != nullptr)
            domain.free_metadata(freed);
    }
    return {};
}

namespace {

// Those of the 64 ports of one word of the bitmap.
void forget_in_word(Domain& domain, std::uint32_t word, DomainId dead) {
    for (auto left = domain.events.used[word]; left != 0; left &= left - 1) {
        const Port port{64 * word + static_cast<std::uint32_t>(std::countr_zero(left))};
        EventPort waiting = domain.events.snapshot(port);
        if (waiting.state != State::unbound || waiting.remote_domain != dead.value())
            continue;
        waiting.remote_domain = nobody;
        events::store(domain, port, waiting);
    }
}

} // namespace

Result<> forget_domain_in_ports(Domain& dead) {
    auto& [slot, word] = dead.events.forgetting;
    while (Domain* domain = next_domain(slot)) {
        if (slot != domain->sched.slot)
            word = 0;
        slot = domain->sched.slot;
        while (word < std::size(domain->events.used)) {
            {
                const LockGuard guard{events::binding_lock()};
                forget_in_word(*domain, word++, dead.id);
            }
            if (machine::should_preempt()) // after some work: a caller may have used up its time already
                return fail(Error::restart);
        }
        ++slot;
        word = 0;
    }
    return {};
}

namespace {

// While bindings stand still the peer cannot go: a domain parts from its peers first.
[[gnu::noinline]] void raise_at_peer(Domain& domain, Port port) {
    const LockGuard guard{events::binding_lock()};
    const EventPort bound = domain.events.snapshot(port);
    if (bound.state != State::interdomain)
        return;
    if (Domain* peer = find_domain(DomainId{bound.remote_domain}); peer != nullptr)
        raise_port(*peer, Port{bound.remote_port});
}

} // namespace

Result<> send_event(Domain& domain, const Vcpu& sender, Port port) {
    const EventPort from = domain.events.snapshot(port);
    if (!is_open(from) || from.state == State::virq)
        return fail(Error::invalid);
    trace_event(trace::Event::event_send, sender, port.value(),
                std::uint64_t{from.remote_domain} << 32 | from.remote_port);
    if (domain.ledger != nullptr)
        count(domain.ledger->events_sent);
    if (from.state == State::interdomain)
        raise_at_peer(domain, port);
    else if (from.state == State::ipi)
        events::raise(domain, port, from);
    else if (from.state == State::hypervisor)
        from.handler(domain, port);
    // unbound: no peer yet; bind_interdomain makes up for it
    return {};
}

Result<> unmask_port(Domain& domain, Port port) {
    const EventPort found = domain.events.snapshot(port);
    if (!is_open(found))
        return fail(Error::invalid);
    shared_info_t& shared = *domain.shared;
    if (!shared_bits::test_and_clear(shared.evtchn_mask, port.value()))
        return domain.pae ? unmask_pae_port(domain, port, found.vcpu) : Result<>{}; // its masks lie elsewhere
    if (shared_bits::test(shared.evtchn_pending, port.value()))
        events::notify_vcpu(domain, found.vcpu, port);
    return {};
}

Result<evtchn_status_t> port_status(Domain& domain, Port port) {
    if (port.value() >= max_ports)
        return fail(Error::invalid);
    const EventPort found = domain.events.snapshot(port);
    evtchn_status_t status{};
    status.dom = domain.id.value();
    status.port = port.value();
    status.vcpu = found.vcpu & ~unsigned{pae_vcpu};
    switch (found.state) {
    case State::free:
    case State::reserved:
        status.status = EVTCHNSTAT_closed;
        break;
    case State::unbound:
        status.status = EVTCHNSTAT_unbound;
        status.u.unbound.dom = found.remote_domain;
        break;
    case State::interdomain:
    case State::hypervisor:
        status.status = EVTCHNSTAT_interdomain;
        status.u.interdomain.dom = found.remote_domain;
        status.u.interdomain.port = found.remote_port;
        break;
    case State::virq:
        status.status = EVTCHNSTAT_virq;
        status.u.virq = found.virq;
        break;
    case State::ipi:
        status.status = EVTCHNSTAT_ipi;
        break;
    }
    return status;
}

} // namespace bulkhead::hv
