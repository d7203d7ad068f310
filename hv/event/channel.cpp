// Ports and their pages, and the path that every event takes from being raised to waking a vCPU.

#include "hv/event/channel.hpp"

#include "abi/pae.hpp"
#include "hv/dispatch/dispatch.hpp"
#include "hv/dispatch/timers.hpp"
#include "hv/domain/domain.hpp"
#include "hv/event/bits.hpp"
#include "hv/event/internal.hpp"
#include "hv/pae/events.hpp"

#include <algorithm>
#include <bit>

namespace bulkhead::hv {

static_assert(EventChannels::max_event_vcpus == max_vcpus);

namespace {

using State = EventPort::State;

// Its timeout must not end a later wait.
void end_poll(Vcpu& vcpu) {
    if (!vcpu.poll.active)
        return;
    vcpu.poll.active = false;
    clear_poll_timeout(vcpu);
}

[[gnu::noinline]] void end_poll_for(Vcpu& vcpu, Port port) {
    if (vcpu.poll.port != 0 && vcpu.poll.port != port.value())
        return;
    end_poll(vcpu);
    wake_vcpu(vcpu, WakeCause::event);
}

// A vCPU that waits in SCHEDOP_poll is woken by the pending bit alone, masked or not.
[[gnu::always_inline]] inline void end_polls(Domain& domain, Port port) {
    for (auto* vcpu : std::span{domain.vcpus}.first(domain.vcpu_count))
        if (vcpu != nullptr && vcpu->poll.active) [[unlikely]]
            end_poll_for(*vcpu, port);
}

// max_ports if all are in use.
std::uint32_t lowest_free(const EventChannels& events) {
    const auto* const word =
        std::ranges::find_if(events.used, [](std::uint64_t bits) { return bits != ~std::uint64_t{0}; });
    if (word == std::end(events.used))
        return max_ports;
    return static_cast<std::uint32_t>(64 * (word - events.used) + std::countr_one(*word));
}

void make_pending(Domain& domain, std::uint16_t vcpu, Port port) {
    if (shared_bits::test_and_set(domain.shared->evtchn_pending, port.value()))
        return;
    if (!shared_bits::test(domain.shared->evtchn_mask, port.value()))
        events::notify_vcpu(domain, vcpu, port);
    end_polls(domain, port);
}

} // namespace

namespace {

// Makes the upcall of a vCPU pending, and wakes it.
[[gnu::always_inline]] inline void raise_upcall(Vcpu& vcpu) {
    if (std::atomic_ref{vcpu.info->evtchn_upcall_pending}.exchange(1) != 0)
        return;
    end_poll(vcpu);
    wake_vcpu(vcpu, WakeCause::event);
}

// The common way found no vCPU of that number.
[[gnu::noinline, gnu::cold]] void notify_pae_vcpu(Domain& domain, unsigned number, Port port) {
    const auto index = number & ~unsigned{pae_vcpu};
    Vcpu* vcpu = index != number && index < domain.vcpu_count ? domain.vcpus[index] : nullptr;
    if (vcpu != nullptr && vcpu->info != nullptr && select_pae_port(domain, *vcpu, port))
        raise_upcall(*vcpu);
}

} // namespace

namespace events {

void raise(Domain& domain, Port port, const EventPort& contents) {
    make_pending(domain, contents.vcpu, port);
}

Lock<Rank::bindings>& binding_lock() {
    static constinit Lock<Rank::bindings> lock;
    return lock;
}

void notify_vcpu(Domain& domain, std::uint16_t vcpu_index, Port port) {
    Vcpu* vcpu = vcpu_index < domain.vcpu_count ? domain.vcpus[vcpu_index] : nullptr;
    if (vcpu == nullptr || vcpu->info == nullptr)
        return notify_pae_vcpu(domain, vcpu_index, port);
    if (shared_bits::test_and_set(&vcpu->info->evtchn_pending_sel, port.value() / shared_bits::word_bits))
        return;
    raise_upcall(*vcpu);
}

Result<Port> take_port(Domain& domain, const EventPort& contents) {
    EventChannels& events = domain.events;
    const auto number = lowest_free(events);
    if (number == max_ports)
        return fail(Error::no_space);
    if (EventPort*& page = events.pages[number / EventChannels::ports_per_page]; page == nullptr) {
        const auto fresh = domain.allocate_metadata();
        if (!fresh)
            return fail(fresh.error());
        const LockGuard guard{events.lock};
        page = static_cast<EventPort*>(*fresh);
    }
    events.used[number / 64] |= std::uint64_t{1} << number % 64;
    store(domain, Port{number}, contents);
    return Port{number};
}

void store(Domain& domain, Port port, const EventPort& contents) {
    const LockGuard guard{domain.events.lock};
    if (EventPort* found = domain.events.find(port); found != nullptr) {
        *found = contents;
        if (domain.pae)
            found->vcpu |= pae_vcpu;
    }
}

void release_port(Domain& domain, Port port) {
    store(domain, port, EventPort{});
    domain.events.used[port.value() / 64] &= ~(std::uint64_t{1} << port.value() % 64);
    shared_bits::test_and_clear(domain.shared->evtchn_pending, port.value());
}

} // namespace events

Result<> EventChannels::start(Domain& domain) {
    const LockGuard guard{events::binding_lock()};
    if (const auto zero = events::take_port(domain, {.state = State::reserved}); !zero)
        return fail(zero.error());
    if (domain.pae) // of 1024
        std::ranges::fill(used + pae_abi::max_ports / 64, std::end(used), ~std::uint64_t{0});
    return {};
}

void raise_port(Domain& domain, Port port) {
    const EventPort found = domain.events.snapshot(port);
    if (found.state != State::free && found.state != State::reserved)
        make_pending(domain, found.vcpu, port);
}

void raise_hypervisor_port(Domain& domain, Port port, PortHandler handler) {
    const EventPort found = domain.events.snapshot(port);
    if (found.state == State::hypervisor && found.handler == handler)
        make_pending(domain, found.vcpu, port);
}

void raise_virq(Vcpu& vcpu, std::uint32_t virq) {
    if (virq >= NR_VIRQS || vcpu.id.value() >= EventChannels::max_event_vcpus)
        return;
    if (const auto port = vcpu.domain->events.virq_port[vcpu.id.value()][virq]; port != 0)
        raise_port(*vcpu.domain, Port{port});
}

void raise_global_virq(Domain& domain, std::uint32_t virq) {
    if (domain.vcpu_count > 0 && domain.vcpus[0] != nullptr)
        raise_virq(*domain.vcpus[0], virq);
}

bool has_work(const Vcpu& vcpu) {
    if (vcpu.info == nullptr)
        return false;
    const bool pending = std::atomic_ref{vcpu.info->evtchn_upcall_pending}.load() != 0;
    const bool masked = std::atomic_ref{vcpu.info->evtchn_upcall_mask}.load() != 0;
    if (pending && !masked)
        return true;
    return vcpu.poll.active && vcpu.poll.port != 0 && vcpu.poll.port < max_ports &&
           shared_bits::test(vcpu.domain->shared->evtchn_pending, vcpu.poll.port);
}

Result<bool> any_port_pending(Domain& domain, std::span<const evtchn_port_t> ports) {
    bool pending = false;
    for (const evtchn_port_t port : ports) {
        if (port >= max_ports)
            return fail(Error::invalid);
        pending = pending || shared_bits::test(domain.shared->evtchn_pending, port);
    }
    return pending;
}

} // namespace bulkhead::hv
