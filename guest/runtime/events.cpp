// Event channels and the upcall: the pending bits are claimed word by word, each port's handler runs, waiting
// is blocking.
#include "guest/runtime/events.hpp"

#include "guest/runtime/clock.hpp"
#include "guest/runtime/hypercall.hpp"
#include "guest/runtime/internal.hpp"
#include "guest/runtime/print.hpp"
#include "guest/runtime/schedule.hpp"

#include <array>
#include <bit>

namespace bulkhead::guest::events {
namespace {

using Bits = xen_ulong_t; // a word of the ABI's, as many bits as there are words
constexpr std::size_t bits = sizeof(Bits) * 8;
constexpr std::size_t words = bits;

constinit std::array<Handler, words * bits> handlers{};
constinit std::array<Bits, words> signalled{};
constinit std::uint64_t upcall_count = 0;

vcpu_info& vcpu() { return shared().vcpu_info[0]; }

Bits bit(Port port) { return Bits{1} << (port.value() % bits); }
std::size_t word(Port port) { return port.value() / bits % words; }

void set_atomically(Bits& target, Bits mask) { __atomic_fetch_or(&target, mask, __ATOMIC_SEQ_CST); }
void clear_atomically(Bits& target, Bits mask) { __atomic_fetch_and(&target, ~mask, __ATOMIC_SEQ_CST); }

void deliver(Port port) {
    signalled[word(port)] |= bit(port);
    if (const Handler handler = handlers[port.value() % handlers.size()])
        handler(port);
}

void deliver_word(std::size_t index) {
    const Bits open = shared().evtchn_pending[index] & ~shared().evtchn_mask[index];
    clear_atomically(shared().evtchn_pending[index], open);
    for (Bits left = open; left != 0; left &= left - 1)
        deliver(
            Port{static_cast<std::uint32_t>(index * bits + static_cast<unsigned>(std::countr_zero(left)))});
}

Result<Port> opened(Result<long> result, evtchn_port_t port) {
    if (!result)
        return std::unexpected{result.error()};
    return Port{port};
}

} // namespace

Result<Port> allocate_unbound(DomainId remote, DomainId owner) {
    evtchn_alloc_unbound call{.dom = owner.value(), .remote_dom = remote.value(), .port = 0};
    const auto result = hypercall::event_channel_op(EVTCHNOP_alloc_unbound, &call);
    return opened(result, call.port);
}

Result<Port> allocate_unbound(DomainId remote) { return allocate_unbound(remote, DomainId{DOMID_SELF}); }

Result<Port> bind_interdomain(DomainId remote, Port remote_port) {
    evtchn_bind_interdomain call{
        .remote_dom = remote.value(), .remote_port = remote_port.value(), .local_port = 0};
    const auto result = hypercall::event_channel_op(EVTCHNOP_bind_interdomain, &call);
    return opened(result, call.local_port);
}

Result<Port> bind_virq(unsigned virq) {
    evtchn_bind_virq call{.virq = virq, .vcpu = 0, .port = 0};
    const auto result = hypercall::event_channel_op(EVTCHNOP_bind_virq, &call);
    return opened(result, call.port);
}

Result<Port> bind_ipi() {
    evtchn_bind_ipi call{.vcpu = 0, .port = 0};
    const auto result = hypercall::event_channel_op(EVTCHNOP_bind_ipi, &call);
    return opened(result, call.port);
}

Status close(Port port) {
    listen(port, nullptr);
    mask(port);
    static_cast<void>(take(port));
    evtchn_close call{.port = port.value()};
    const auto result = hypercall::event_channel_op(EVTCHNOP_close, &call);
    if (!result)
        return std::unexpected{result.error()};
    return {};
}

Status notify(Port port) {
    evtchn_send call{.port = port.value()};
    const auto result = hypercall::event_channel_op(EVTCHNOP_send, &call);
    if (!result)
        return std::unexpected{result.error()};
    return {};
}

void listen(Port port, Handler handler) {
    handlers[port.value() % handlers.size()] = handler;
    unmask(port);
}

void mask(Port port) { set_atomically(shared().evtchn_mask[word(port)], bit(port)); }

void unmask(Port port) {
    const Masked guard;
    clear_atomically(shared().evtchn_mask[word(port)], bit(port));
    if ((shared().evtchn_pending[word(port)] & bit(port)) == 0)
        return;
    set_atomically(vcpu().evtchn_pending_sel, Bits{1} << word(port));
    __atomic_store_n(&vcpu().evtchn_upcall_pending, std::uint8_t{1}, __ATOMIC_SEQ_CST);
}

bool take(Port port) {
    const bool was = (signalled[word(port)] & bit(port)) != 0;
    signalled[word(port)] &= ~bit(port);
    return was;
}

std::uint64_t upcalls() { return upcall_count; }

void wait_any(GuestTime deadline) {
    // Masked, so that a deadline already past still ends the block instead of being handled before it.
    __atomic_store_n(&vcpu().evtchn_upcall_mask, std::uint8_t{1}, __ATOMIC_SEQ_CST);
    if (deadline != GuestTime::never())
        static_cast<void>(hypercall::set_timer(deadline));
    block();
}

namespace {

template<class Signalled>
bool wait_until(Signalled&& was_signalled, GuestTime deadline) {
    const Masked guard;
    for (;;) {
        if (was_signalled())
            return true;
        if (deadline != GuestTime::never() && now() >= deadline)
            return false;
        wait_any(deadline);
        __atomic_store_n(&vcpu().evtchn_upcall_mask, std::uint8_t{1}, __ATOMIC_SEQ_CST);
    }
}

} // namespace

bool wait(Port port, GuestTime deadline) {
    return wait_until([port] { return take(port); }, deadline);
}

bool wait(std::span<const Port> ports, GuestTime deadline) {
    const auto take_all = [ports] {
        bool any = false;
        for (const Port port : ports)
            any |= take(port);
        return any;
    };
    return wait_until(take_all, deadline);
}

Masked::Masked() : before_{vcpu().evtchn_upcall_mask != 0} {
    __atomic_store_n(&vcpu().evtchn_upcall_mask, std::uint8_t{1}, __ATOMIC_SEQ_CST);
}

Masked::~Masked() {
    if (before_)
        return;
    __atomic_store_n(&vcpu().evtchn_upcall_mask, std::uint8_t{0}, __ATOMIC_SEQ_CST);
    while (vcpu().evtchn_upcall_pending != 0) { // came while masked: no upcall will be made for it
        __atomic_store_n(&vcpu().evtchn_upcall_mask, std::uint8_t{1}, __ATOMIC_SEQ_CST);
        internal::handle_events();
        __atomic_store_n(&vcpu().evtchn_upcall_mask, std::uint8_t{0}, __ATOMIC_SEQ_CST);
    }
}

} // namespace bulkhead::guest::events

namespace bulkhead::guest::internal {

void handle_events() {
    using namespace events;
    ++upcall_count;
    while (vcpu().evtchn_upcall_pending != 0) {
        __atomic_store_n(&vcpu().evtchn_upcall_pending, std::uint8_t{0}, __ATOMIC_SEQ_CST);
        const Bits selected = __atomic_exchange_n(&vcpu().evtchn_pending_sel, Bits{0}, __ATOMIC_SEQ_CST);
        for (Bits left = selected; left != 0; left &= left - 1)
            deliver_word(static_cast<std::size_t>(std::countr_zero(left)));
    }
}

void start_events() {
    const auto timer = events::bind_virq(VIRQ_TIMER);
    if (!timer)
        panic("cannot bind the timer: {}", timer.error());
    events::listen(*timer);
    const events::Masked opened_at_the_end;
    __atomic_store_n(&events::vcpu().evtchn_upcall_mask, std::uint8_t{0}, __ATOMIC_SEQ_CST);
}

} // namespace bulkhead::guest::internal
