// What the network back end keeps of a guest's interface and of the packets that are on their way. Everything
// is serialised by the drive lock. An interface's state lies in pages of its guest's metadata quota.
#pragma once

#include "device/fair_line.hpp"
#include "device/groups.hpp"
#include "device/switch.hpp"
#include "host/ring_state.hpp"
#include "hv/domain/domain.hpp"
#include "hv/io/ring_tenant.hpp"

#include <boost/intrusive/list.hpp>
#include <boost/intrusive/set.hpp>

extern "C" {
#include <xen/io/netif.h>
}

namespace bulkhead::hv {

struct NetPort;

// One direction of an interface, as the ring policy's host knows it.
struct NetQueue {
    RingTenant* domain = nullptr; // named so by host/ring_host.hpp, as is `queue`
    host::RingState queue{};
    NetPort* port = nullptr;
};

inline constexpr std::uint32_t net_slots = 256; // of each of the two rings
inline constexpr std::uint32_t header_bytes = 14;
inline constexpr std::uint32_t largest_packet = 65535; // that the protocol can name
inline constexpr std::uint32_t most_pieces = XEN_NETIF_NR_SLOTS_MIN;
inline constexpr std::uint32_t most_wire_packets =
    256; // of one packet, so that one alone is not long at the switch
// Of a port's buffer: header, VLAN tag, 1,500 bytes, and two.
inline constexpr std::uint32_t place_bytes = 1520, places = 64;
static_assert(sizeof(netif_tx_request) == 12 && sizeof(netif_tx_response) == 4 &&
              sizeof(netif_rx_request) == 8 && sizeof(netif_rx_response) == 8 &&
              sizeof(netif_extra_info) == 8 && sizeof(netif_tx_sring_entry) == 12 &&
              sizeof(netif_rx_sring_entry) == 8);
static_assert(most_pieces == 18);

struct NetPiece {
    GrantRef ref;
    std::uint16_t offset = 0, bytes = 0;
};

// What is to be done of a packet by others than its sender.
struct Offload {
    std::uint16_t segment = 0; // bytes of payload in each TCP segment; 0: the packet is not to be cut
    std::uint8_t type = 0;     // XEN_NETIF_GSO_TYPE_*
};

[[nodiscard]] constexpr device::Wire wire_of(std::uint32_t bytes, const Offload& offload) {
    return device::on_the_wire(bytes, offload.segment,
                               offload.type == XEN_NETIF_GSO_TYPE_TCPV6 ? device::headers_of_tcp6
                                                                        : device::headers_of_tcp4);
}

// What it takes of a port.
[[nodiscard]] constexpr device::Load load_of(std::uint32_t bytes, const Offload& offload) {
    return {(bytes + place_bytes - 1) / place_bytes, wire_of(bytes, offload)};
}

// A packet that a guest sends: a checked copy of its requests. Its bytes stay in the guest's pages until the
// switch passes it on.
struct SentPacket : boost::intrusive::list_base_hook<> {
    enum class State : std::uint8_t { unused, at_the_switch, passing };
    State state = State::unused;
    std::uint8_t pieces = 0;
    std::uint16_t bytes = 0;
    std::uint16_t flags = 0; // NETTXF_*
    std::uint8_t extras = 0; // requests that were not pieces
    Offload offload{};
    RealTime passed{}; // when the switch was done with it
    NetPort* port = nullptr;
    std::uint16_t id[most_pieces]; // the guest's own
    NetPiece piece[most_pieces];
};

// A packet in the buffer of the port that it goes to.
struct HeldPacket : boost::intrusive::list_base_hook<> {
    enum class State : std::uint8_t { coming, at_the_switch, delivering };
    State state = State::coming;
    std::uint16_t bytes = 0;
    std::uint16_t flags = 0; // NETRXF_*
    std::uint16_t from = 0;  // the switch's port
    Offload offload{};
    RealTime arrives{};
    NetPort* port = nullptr;
    std::uint64_t in = 0; // bit n: its bytes are in place n, in the order of the bits

    [[nodiscard]] device::Load load() const { return load_of(bytes, offload); }
    // Requests of the rx ring that it needs: one for each page, and one for what is left to be done of it.
    [[nodiscard]] std::uint32_t slots() const {
        return static_cast<std::uint32_t>((bytes + page_bytes - 1) / page_bytes) +
               (offload.segment != 0 ? 1U : 0U);
    }
};

using HeldPackets = boost::intrusive::list<HeldPacket, boost::intrusive::constant_time_size<false>>;

struct NetPort : boost::intrusive::set_base_hook<> {
    NetQueue sending{}, receiving{};
    Domain* guest = nullptr;
    NetPort* next = nullptr;      // of the same guest
    std::uint32_t number = 0;     // of the switch's ports
    netif_tx_sring* tx = nullptr; // direct map
    netif_rx_sring* rx = nullptr;
    Mfn tx_frame{}, rx_frame{};
    Port event{};
    RING_IDX tx_taken = 0, tx_answered = 0; // free-running, our own
    RING_IDX rx_answered = 0;
    std::uint32_t asked = 0;     // rx requests of packets that wait for the switch or to be delivered
    std::uint16_t takes = 0;     // control::net_takes_*
    bool broken = false;         // nothing is taken from it or given to it any more
    bool has_more = false;       // the section's time was over before all were taken
    bool waits_for_room = false; // packets are left, and all places of `sent` were used
    bool is_due = false;         // among the ports whose first coming packet is waited for
    RealTime due{};
    device::Groups groups{};                     // that the guest has named
    device::FairLine line{};                     // places in `buffer` of packets at the policy
    HeldPackets coming{};                        // in the order of their arrival; not yet known to the policy
    std::uint64_t held = 0;                      // bit n: packet n of `buffer` is used
    std::uint64_t free = ~std::uint64_t{0};      // bit n: place n is unused
    std::uint64_t sent_free = ~std::uint64_t{0}; // bit n: place n of `sent` is unused
    SentPacket sent[ringctl::most_queued]{};
    HeldPacket buffer[ringctl::most_queued];
    std::byte place[places][place_bytes]; // not cleared

    void release(SentPacket& packet) {
        packet.state = SentPacket::State::unused;
        sent_free |= std::uint64_t{1} << (&packet - sent);
    }
};
static_assert(ringctl::most_queued == 64 && places == 64 && device::FairLine::most == 64);

[[nodiscard]] inline bool operator<(const NetPort& a, const NetPort& b) {
    return a.due != b.due ? a.due < b.due : a.number < b.number;
}

// Before the first port.
void start_passing();
void start_arrivals();
[[nodiscard]] NetPort*
net_port(std::uint32_t number); // nullptr if none is connected there; any number may come

// Takes what the guest has put into its tx ring, as long as the section's budget lasts.
void take_packets(NetPort& port);
// Requests of the tx ring are left to be taken; a port with some, whose turn it is, or nullptr.
void note_packets_left(NetPort& port, bool left);
[[nodiscard]] bool are_packets_left();
[[nodiscard]] NetPort* port_with_packets_left();
// The requests of a packet are answered, and the guest told if it asked to be.
void answer_packet(NetPort& port, const std::uint16_t* ids, std::uint32_t requests, std::uint32_t extras,
                   std::int16_t status);

// The switch is done with the packet in that place of `sent`, since `at`.
void packet_is_sent(NetPort& port, std::uint32_t place, RealTime at);
// Whether a packet is to be moved from its sender to where it goes; moves one, or a part of it.
[[nodiscard]] bool is_packet_to_pass();
void pass_one_packet();
void drop_passing(NetPort& port);

// A packet that was sent at the switch's port `from`, with its bytes at `data`, comes to the port, or is
// dropped.
void bring(NetPort& port, const SentPacket& sent, std::uint32_t from, const std::byte* data);
// Packets of a port have come or its guest has given pages: sets when to look at it again.
void look_after_arrivals(NetPort& port);
[[nodiscard]] RealTime next_arrival();
// Hands the policy one packet that has arrived by `now`. False if none has.
[[nodiscard]] bool announce_one_packet(RealTime now);
// The switch is done with a request of the policy for one of the port's packets: the one whose sender's turn
// it is goes to the guest.
void packet_is_admitted(NetPort& port);
// Whether a packet is to be moved into its guest; moves one.
[[nodiscard]] bool is_packet_to_deliver();
void deliver_one_packet();
// All that the port holds is lost: it goes.
void drop_held(NetPort& port);

// The guest broke the rings' rules: the interface gets nothing any more. Nothing else notices.
void break_port(NetPort& port);
// The port's handler: the guest signals its rings.
void on_net_event(Domain& domain, Port port);

} // namespace bulkhead::hv
