// From a port's buffer into its guest: a packet that has arrived is shown to the policy once the guest has
// given a page for it, and its bytes move when the switch is done with it.
#include "hv/base/late.hpp"
#include "hv/base/machine.hpp"
#include "hv/dispatch/devices.hpp"
#include "hv/io/granted_page.hpp"
#include "hv/io/net.hpp"
#include "hv/io/net_capture.hpp"
#include "hv/io/net_port.hpp"
#include "hv/plugin/net_rings.hpp"
#include "hv/trace/trace.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace bulkhead::hv {

namespace {

using DuePorts = boost::intrusive::set<NetPort, boost::intrusive::constant_time_size<false>>;
constinit Late<DuePorts> due_ports; // whose first packet is on its way and has a page waiting
constinit Late<HeldPackets> delivering;

void free_place(HeldPacket& packet, bool lost) {
    NetPort& port = *packet.port;
    port.held &= ~(std::uint64_t{1} << (&packet - port.buffer));
    machine_switch().release(port.number, packet.from, packet.bytes, lost);
    if (lost)
        trace_event(trace::Event::net_drop, *port.guest, port.number, packet.bytes);
}

void wait_no_longer(NetPort& port) {
    if (port.is_due)
        due_ports->erase(due_ports->iterator_to(port));
    port.is_due = false;
}

// Requests of the rx ring that no packet has yet. A producer that leaves its bounds breaks the interface.
std::uint32_t free_pages(NetPort& port) {
    const RING_IDX produced = std::atomic_ref{port.rx->req_prod}.load(std::memory_order_acquire);
    const RING_IDX given = produced - port.rx_answered;
    if (given > net_slots || given < port.asked) {
        break_port(port);
        return 0;
    }
    return given - port.asked;
}

// The guest is asked to say when it gives another page; whether there is one already.
bool has_page(NetPort& port) {
    if (free_pages(port) > 0)
        return true;
    if (port.broken)
        return false;
    std::atomic_ref{port.rx->req_event}.store(port.rx_answered + port.asked + 1, std::memory_order_seq_cst);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    return free_pages(port) > 0;
}

// The response to the oldest request, as they are answered in their order.
void answer(NetPort& port, const netif_rx_request& asked, const HeldPacket& packet, bool has_failed) {
    netif_rx_response response{};
    response.id = asked.id;
    response.flags = has_failed ? std::uint16_t{0} : packet.flags;
    response.status = has_failed ? std::int16_t{NETIF_RSP_ERROR} : static_cast<std::int16_t>(packet.bytes);
    auto& shared = *port.rx;
    std::memcpy(&shared.ring[port.rx_answered % net_slots].rsp, &response, sizeof response);
    const RING_IDX before = port.rx_answered++;
    std::atomic_ref{shared.rsp_prod}.store(port.rx_answered, std::memory_order_release);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    const RING_IDX wished = std::atomic_ref{shared.rsp_event}.load(std::memory_order_relaxed);
    if (port.rx_answered - wished < port.rx_answered - before)
        raise_hypervisor_port(*port.guest, port.event, on_net_event);
}

// False: the page is being made ready; the same packet again, later.
[[nodiscard]] bool deliver(HeldPacket& packet) {
    NetPort& port = *packet.port;
    netif_rx_request asked;
    std::memcpy(&asked, &port.rx->ring[port.rx_answered % net_slots].req, sizeof asked);
    const GrantedPage page{*port.guest, GrantRef{asked.gref}, GrantAccess::write};
    if (page.status() == GrantStatus::restart)
        return false;
    const bool has_failed = page.status() != GrantStatus::okay;
    if (!has_failed)
        std::memcpy(page.data(), packet.data, packet.bytes);
    --port.asked;
    answer(port, asked, packet, has_failed);
    free_place(packet, has_failed);
    return true;
}

} // namespace

void start_arrivals() {
    due_ports.make();
    delivering.make();
}

void bring(NetPort& port, const NetPort& from, const std::byte* data, std::uint16_t bytes,
           std::uint16_t flags, RealTime now) {
    auto& ports = machine_switch();
    if (port.held == ~std::uint64_t{0} || !ports.admit(port.number, from.number))
        return trace_event(trace::Event::net_drop, *port.guest, port.number, bytes);
    const auto place = static_cast<std::uint32_t>(std::countr_one(port.held));
    port.held |= std::uint64_t{1} << place;
    auto& packet = port.buffer[place];
    packet.state = HeldPacket::State::coming;
    packet.bytes = bytes;
    packet.flags = flags;
    packet.from = static_cast<std::uint16_t>(from.number);
    packet.arrives = ports.send(port.number, bytes, now);
    packet.port = &port;
    show_packet(port.number, data, bytes, now, packet.arrives);
    std::memcpy(packet.data, data, bytes);
    const bool was_empty = port.coming.empty();
    port.coming.push_back(packet);
    if (was_empty)
        look_after_arrivals(port);
}

void look_after_arrivals(NetPort& port) {
    wait_no_longer(port);
    if (port.coming.empty() || !port.receiving.queue.has_room() || !has_page(port))
        return;
    port.due = port.coming.front().arrives;
    port.is_due = true;
    due_ports->insert(port);
}

RealTime next_arrival() { return due_ports->empty() ? RealTime::never() : due_ports->begin()->due; }

bool announce_one_packet(RealTime now) {
    if (next_arrival() > now)
        return false;
    NetPort& port = *due_ports->begin();
    device_works_for(port.guest);
    auto& packet = port.coming.front();
    port.coming.pop_front();
    packet.state = HeldPacket::State::at_the_switch;
    ++port.asked;
    look_after_arrivals(port); // before the policy hears: what it serves at once needs no look any more
    if (!port.broken)
        net_rings::submit(port.receiving, ringctl::Operation::receive, packet.bytes,
                          static_cast<std::uint32_t>(&packet - port.buffer));
    return true;
}

void packet_is_admitted(NetPort& port, std::uint32_t place) {
    auto& packet = port.buffer[place];
    packet.state = HeldPacket::State::delivering;
    delivering->push_back(packet);
}

bool is_packet_to_deliver() { return !delivering->empty(); }

void deliver_one_packet() {
    auto& packet = delivering->front();
    NetPort& port = *packet.port;
    device_works_for(port.guest);
    delivering->pop_front();
    if (!deliver(packet))
        delivering->push_back(packet);
    else if (!port.is_due)
        look_after_arrivals(port); // there may be room for the next one
}

void drop_held(NetPort& port) {
    wait_no_longer(port);
    port.coming.clear();
    for (auto held = port.held; held != 0; held &= held - 1)
        if (auto& packet = port.buffer[std::countr_zero(held)]; packet.is_linked())
            delivering->erase(delivering->iterator_to(packet));
    port.held = 0;
    port.asked = 0;
    machine_switch().empty(port.number);
}

} // namespace bulkhead::hv
