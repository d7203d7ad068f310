// From the sender's pages to the buffers of those who receive: once the switch is done with a packet, its
// bytes are read once, and then the sender has its answer. A packet for many is copied in pieces.
#include "hv/base/late.hpp"
#include "hv/base/machine.hpp"
#include "hv/dispatch/devices.hpp"
#include "hv/io/granted_page.hpp"
#include "hv/io/net.hpp"
#include "hv/io/net_capture.hpp"
#include "hv/io/net_port.hpp"
#include "hv/io/uplink.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

namespace bulkhead::hv {

namespace {

using Packets = boost::intrusive::list<SentPacket, boost::intrusive::constant_time_size<false>>;
constinit Late<Packets> passing; // in the order in which the switch was done with them

// The first of them, as far as it is read and passed on.
struct Current {
    std::uint32_t pieces = 0, bytes = 0; // read so far
    bool is_forwarded = false;           // `to` is known
    std::uint32_t to = 0;                // a port, or which one of all is next
    bool to_all = false;
};
constinit Current current{};
constinit std::byte frame[largest_packet];

device::Mac mac_at(std::uint32_t offset) {
    std::uint64_t word;
    std::memcpy(&word, frame + offset, sizeof word); // of the header, and two bytes more of `frame`
    return {std::byteswap(word) >> 16};
}

// False: the page is being made ready; the same piece again, later.
[[nodiscard]] bool read_piece(const SentPacket& packet, std::int16_t& status) {
    const NetPiece& piece = packet.piece[current.pieces];
    const CopiedPage page{*packet.port->guest, piece.ref, GrantAccess::read};
    if (page.status() == GrantStatus::restart)
        return false;
    if (page.status() != GrantStatus::okay) {
        status = NETIF_RSP_ERROR;
        return true;
    }
    std::memcpy(frame + current.bytes, page.data() + piece.offset, piece.bytes);
    current.bytes += piece.bytes;
    ++current.pieces;
    return true;
}

void choose_target(const SentPacket& packet) {
    show_packet(packet.port->number, frame, packet.bytes, packet.passed, packet.passed);
    const auto to = machine_switch().forward(packet.port->number, mac_at(6), mac_at(0),
                                             wire_of(packet.bytes, packet.offload));
    current.is_forwarded = true;
    current.to_all = to == device::Switch::all_ports;
    current.to = current.to_all ? 0 : to;
}

void pass_to(const SentPacket& packet, std::uint32_t number) {
    NetPort* const port = net_port(number);
    if (port == nullptr) [[unlikely]]
        return uplink::send(number, packet, frame);
    if (!port->broken)
        bring(*port, packet, packet.port->number, frame);
}

// False: there was no time for all who get it. Uncut segments are for one station: TCP knows no group, and
// each receiver would pay for as many packets as they stand for.
[[nodiscard]] bool pass_on(const SentPacket& packet) {
    if (current.to_all && packet.offload.segment != 0)
        return true;
    if (!current.to_all) {
        pass_to(packet, current.to);
        return true;
    }
    const auto& ports = machine_switch();
    while (current.to < ports.ports()) {
        if (const auto to = current.to++; ports.are_connected(packet.port->number, to))
            pass_to(packet, to);
        if (machine::should_preempt() && current.to < ports.ports())
            return false;
    }
    return true;
}

void end_first(SentPacket& packet, std::int16_t status) {
    passing->pop_front();
    current = {};
    packet.port->release(packet);
    answer_packet(*packet.port, packet.id, packet.pieces, packet.extras, status);
    if (packet.port->waits_for_room && !packet.port->broken)
        note_packets_left(*packet.port, true);
}

} // namespace

void start_passing() { passing.make(); }

void packet_is_sent(NetPort& port, std::uint32_t place, RealTime at) {
    auto& packet = port.sent[place];
    packet.state = SentPacket::State::passing;
    packet.passed = at;
    passing->push_back(packet);
}

bool is_packet_to_pass() { return !passing->empty(); }

void pass_one_packet() {
    auto& packet = passing->front();
    device_works_for(packet.port->guest);
    std::int16_t status = NETIF_RSP_OKAY;
    while (current.pieces < packet.pieces && status == NETIF_RSP_OKAY)
        if (!read_piece(packet, status) || machine::should_preempt())
            return;
    if (status == NETIF_RSP_OKAY) {
        if (!current.is_forwarded)
            choose_target(packet);
        if (!pass_on(packet))
            return;
    }
    end_first(packet, status);
}

void drop_passing(NetPort& port) {
    for (auto& packet : port.sent) {
        if (packet.is_linked()) {
            if (&packet == &passing->front())
                current = {};
            passing->erase(passing->iterator_to(packet));
        }
        port.release(packet);
    }
}

} // namespace bulkhead::hv
