// From the tx ring to the policy: each request is copied once, the copy is checked, and only the copy is
// used.
#include "hv/base/locks.hpp"
#include "hv/base/machine.hpp"
#include "hv/io/net_port.hpp"
#include "hv/plugin/devices.hpp"
#include "hv/plugin/net_rings.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace bulkhead::hv {

namespace {

// What the requests of one packet say. A ring that is full of them is the most.
struct Chain {
    std::uint16_t flags = 0;  // of the first request
    std::uint32_t bytes = 0;  // of the whole packet, as the first request says
    std::uint32_t others = 0; // bytes of all requests but the first
    std::uint32_t requests = 0, extras = 0;
    Offload offload{};
    std::uint8_t change = 0; // of the sender's groups: XEN_NETIF_EXTRA_TYPE_MCAST_*; nothing is sent then
    device::Mac group{};
    bool is_possible = true;
    std::uint16_t id[net_slots];
    NetPiece piece[most_pieces];
};

template<class T>
T read_slot(const NetPort& port, RING_IDX index) {
    T slot;
    std::memcpy(&slot, &port.tx->ring[index % net_slots], sizeof slot);
    return slot;
}

void add(Chain& chain, const netif_tx_request& asked) {
    chain.id[chain.requests] = asked.id;
    if (chain.requests < most_pieces)
        chain.piece[chain.requests] = {GrantRef{asked.gref}, asked.offset, asked.size};
    if (chain.requests++ > 0)
        chain.others += asked.size;
}

// One of those that were offered, once in a packet.
void add(Chain& chain, const netif_extra_info& extra) {
    chain.is_possible = chain.extras++ == 0;
    switch (extra.type) {
    case XEN_NETIF_EXTRA_TYPE_GSO:
        chain.is_possible &= extra.u.gso.size != 0 && (extra.u.gso.type == XEN_NETIF_GSO_TYPE_TCPV4 ||
                                                       extra.u.gso.type == XEN_NETIF_GSO_TYPE_TCPV6);
        chain.offload = {extra.u.gso.size, extra.u.gso.type};
        return;
    case XEN_NETIF_EXTRA_TYPE_MCAST_ADD:
    case XEN_NETIF_EXTRA_TYPE_MCAST_DEL:
        chain.change = extra.type;
        chain.group = device::Mac::of(std::as_bytes(std::span<const std::uint8_t, 6>{extra.u.mcast.addr}));
        return;
    default:
        chain.is_possible = false;
    }
}

// False: it cannot be done.
bool change_groups(NetPort& port, const Chain& chain) {
    if (chain.change == XEN_NETIF_EXTRA_TYPE_MCAST_ADD)
        return port.groups.add(chain.group);
    port.groups.remove(chain.group);
    return true;
}

// Takes the requests of one packet that follow its first one, up to `produced`. False if the packet does not
// end before that.
bool take_chain(NetPort& port, const netif_tx_request& first, RING_IDX produced, Chain& chain) {
    chain.flags = first.flags;
    chain.bytes = first.size;
    add(chain, first);
    for (bool more = (first.flags & NETTXF_extra_info) != 0; more;) {
        if (port.tx_taken == produced)
            return false;
        const auto extra = read_slot<netif_extra_info>(port, port.tx_taken++);
        add(chain, extra);
        more = (extra.flags & XEN_NETIF_EXTRA_FLAG_MORE) != 0;
    }
    for (auto flags = first.flags; (flags & NETTXF_more_data) != 0;) {
        if (port.tx_taken == produced)
            return false;
        const auto next = read_slot<netif_tx_request>(port, port.tx_taken++);
        add(chain, next);
        flags = next.flags;
    }
    return true;
}

// The first piece is what the others leave of the whole.
bool check(Chain& chain) {
    if (!chain.is_possible || chain.requests > most_pieces || chain.bytes < header_bytes ||
        chain.others > chain.bytes || wire_of(chain.bytes, chain.offload).packets > most_wire_packets)
        return false;
    chain.piece[0].bytes = static_cast<std::uint16_t>(chain.bytes - chain.others);
    return std::all_of(chain.piece, chain.piece + chain.requests,
                       [](const NetPiece& each) { return each.offset + each.bytes <= int{page_bytes}; });
}

// A free place of `sent`; there is one.
SentPacket& take_place(NetPort& port) {
    auto& packet = port.sent[std::countr_zero(port.sent_free)];
    port.sent_free &= port.sent_free - 1;
    packet.state = SentPacket::State::at_the_switch;
    packet.port = &port;
    return packet;
}

void show_to_policy(NetPort& port, const SentPacket& packet) {
    net_rings::submit(port.sending, ringctl::Operation::send, wire_of(packet.bytes, packet.offload),
                      static_cast<std::uint32_t>(&packet - port.sent));
}

void queue(NetPort& port, const Chain& chain) {
    auto& packet = take_place(port);
    packet.pieces = static_cast<std::uint8_t>(chain.requests);
    packet.bytes = static_cast<std::uint16_t>(chain.bytes);
    packet.flags = chain.flags;
    packet.extras = static_cast<std::uint8_t>(chain.extras);
    packet.offload = chain.offload;
    std::copy_n(chain.id, chain.requests, packet.id);
    std::copy_n(chain.piece, chain.requests, packet.piece);
    show_to_policy(port, packet);
}

// Most packets: one request, and nothing else.
void take_single(NetPort& port, const netif_tx_request& asked) {
    if (asked.size < header_bytes || asked.offset + asked.size > int{page_bytes})
        return answer_packet(port, &asked.id, 1, 0, NETIF_RSP_ERROR);
    auto& packet = take_place(port);
    packet.pieces = 1;
    packet.bytes = asked.size;
    packet.flags = asked.flags;
    packet.extras = 0;
    packet.offload = {};
    packet.id[0] = asked.id;
    packet.piece[0] = {GrantRef{asked.gref}, asked.offset, asked.size};
    show_to_policy(port, packet);
}

[[gnu::noinline]] void take_several(NetPort& port, const netif_tx_request& first, RING_IDX produced) {
    Chain chain;
    if (!take_chain(port, first, produced, chain))
        return break_port(port);
    if (chain.change != 0 && chain.is_possible)
        answer_packet(port, chain.id, chain.requests, chain.extras,
                      change_groups(port, chain) ? NETIF_RSP_OKAY : NETIF_RSP_ERROR);
    else if (chain.change == 0 && check(chain))
        queue(port, chain);
    else
        answer_packet(port, chain.id, chain.requests, chain.extras, NETIF_RSP_ERROR);
}

void take_one(NetPort& port, RING_IDX produced) {
    const auto first = read_slot<netif_tx_request>(port, port.tx_taken++);
    if ((first.flags & (NETTXF_extra_info | NETTXF_more_data)) == 0) [[likely]]
        take_single(port, first);
    else
        take_several(port, first, produced);
}

// The ring holds what was taken and has no answer yet, and the rest of its slots are the most that can have
// come: a producer that goes back behind what was taken is too far ahead of it, too.
bool is_possible(const NetPort& port, RING_IDX produced) {
    return produced - port.tx_taken <= net_slots - (port.tx_taken - port.tx_answered);
}

} // namespace

// The guest may fill the ring again meanwhile: the section's budget ends that, and the rest is for later.
// With as many packets at the switch as the policy is shown, the rest waits until one of them was passed on:
// a packet leaves the policy's ring before it leaves its place.
void take_packets(NetPort& port) {
    note_packets_left(port, false);
    while (!port.broken) {
        port.waits_for_room = port.sent_free == 0;
        if (port.waits_for_room)
            return;
        const RING_IDX produced = std::atomic_ref{port.tx->req_prod}.load(std::memory_order_acquire);
        if (!is_possible(port, produced))
            return break_port(port);
        if (produced == port.tx_taken) {
            std::atomic_ref{port.tx->req_event}.store(port.tx_taken + 1, std::memory_order_seq_cst);
            std::atomic_thread_fence(std::memory_order_seq_cst);
            if (std::atomic_ref{port.tx->req_prod}.load(std::memory_order_acquire) == port.tx_taken)
                return;
            continue;
        }
        take_one(port, produced);
        if (machine::should_preempt())
            return note_packets_left(port, !port.broken);
    }
}

// One response for each request, those of extras without a meaning. The producer becomes visible before the
// guest's wish to be told is read.
void answer_packet(NetPort& port, const std::uint16_t* ids, std::uint32_t requests, std::uint32_t extras,
                   std::int16_t status) {
    if (port.broken)
        return;
    auto& shared = *port.tx;
    const RING_IDX before = port.tx_answered;
    const auto put = [&](std::uint16_t id, std::int16_t each) {
        const netif_tx_response response{.id = id, .status = each};
        std::memcpy(&shared.ring[port.tx_answered++ % net_slots].rsp, &response, sizeof response);
    };
    for (std::uint32_t i = 0; i < requests; ++i) {
        put(ids[i], status);
        for (std::uint32_t extra = 0; i == 0 && extra < extras; ++extra)
            put(0, NETIF_RSP_NULL);
    }
    std::atomic_ref{shared.rsp_prod}.store(port.tx_answered, std::memory_order_release);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    const RING_IDX wished = std::atomic_ref{shared.rsp_event}.load(std::memory_order_relaxed);
    if (port.tx_answered - wished < port.tx_answered - before)
        raise_hypervisor_port(*port.guest, port.event, on_net_event);
}

void on_net_event(Domain& domain, Port event) {
    const LockGuard drive_held{drive_lock()};
    NetPort* port = domain.net_ports;
    while (port != nullptr && port->event != event)
        port = port->next;
    if (port == nullptr || port->broken)
        return;
    look_after_arrivals(*port);
    if (!port->broken)
        take_packets(*port);
    devices::set_timer();
}

} // namespace bulkhead::hv
