// A host of the network 10.0.0.0/24 at the guest's first interface: answers ARP and echo requests, sends and
// receives UDP datagrams over IPv4. Nothing is fragmented, routed or sent twice; datagrams have no checksum,
// which IPv4 allows.
#pragma once

#include "guest/runtime/net.hpp"
#include "workloads/workload.hpp"

#include <optional>
#include <span>
#include <string_view>

namespace bulkhead::workload {

inline constexpr std::uint32_t headers_bytes = 14 + 20 + 8; // Ethernet, IPv4, UDP
inline constexpr std::uint32_t largest_payload = guest::net_device::largest_packet - headers_bytes;
inline constexpr std::uint16_t echo_port = 7;    // RFC 862
inline constexpr std::uint16_t discard_port = 9; // RFC 863

// Of the workloads' option of that name: the last byte of an address, 1 to 254.
[[nodiscard]] std::uint8_t host_number(const Option& option);

class Station {
  public:
    // Panics with the workload's name if the guest has no interface that can be used.
    Station(std::string_view name, std::uint8_t host);

    struct Datagram {
        std::span<const std::byte> payload; // until done()
        std::uint16_t source, target;       // ports
    };
    // A datagram that has come, for any port. Meanwhile ARP and echo requests are answered. If there is none,
    // the back end is asked to notify.
    [[nodiscard]] std::optional<Datagram> receive();
    void done() { front_.done(); }
    // Sends the datagram that was received back to where it came from; then it is done.
    void send_back();

    // The Ethernet address of another host. False if nobody has answered before `deadline`.
    [[nodiscard]] bool resolve(std::uint8_t host, GuestTime deadline);
    // Puts a datagram to the host that was resolved into the ring: its first 8 bytes are `number`, the rest
    // is zero. False: all pages are on their way. push() shows it to the back end.
    [[nodiscard]] bool send(std::uint64_t number, std::uint32_t payload_bytes, std::uint16_t target);
    void push() { front_.push(); }

    [[nodiscard]] Port port() const { return front_.port(); }
    [[nodiscard]] std::uint64_t failures() const { return front_.failures(); }

  private:
    using Mac = guest::net_device::Mac;
    using Packet = guest::net_device::Front::Packet;

    void take_arp(std::span<const std::byte> frame);
    void take_echo_request(std::span<const std::byte> frame);
    void ask_for(std::uint8_t host);
    // The frame goes back to its sender, whose Ethernet and IPv4 addresses are exchanged with ours.
    [[nodiscard]] std::span<std::byte> turn_round(std::span<const std::byte> frame);

    guest::net_device::Front front_;
    std::uint8_t host_;
    std::uint8_t peer_ = 0; // 0: none was asked for
    bool is_resolved_ = false;
    Mac peer_mac_{};
    std::span<const std::byte> received_{}; // the frame of the datagram at hand
};

} // namespace bulkhead::workload
