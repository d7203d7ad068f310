// See station.hpp. Numbers on the wire are big-endian.
#include "workloads/station.hpp"

#include "guest/runtime/events.hpp"
#include "guest/runtime/print.hpp"

#include <algorithm>

namespace bulkhead::workload {
namespace {

using guest::net_device::Mac;

constexpr std::size_t ethernet = 14, ip_header = 20, udp_header = 8, arp_bytes = 28;
constexpr std::uint16_t type_ip = 0x0800, type_arp = 0x0806;
constexpr std::uint8_t protocol_icmp = 1, protocol_udp = 17;
constexpr std::uint32_t network = 10U << 24; // 10.0.0.0/24
constexpr std::size_t ip = ethernet, arp = ethernet, after_ip = ethernet + ip_header;
constexpr Mac everybody{std::byte{255}, std::byte{255}, std::byte{255},
                        std::byte{255}, std::byte{255}, std::byte{255}};

std::uint8_t get8(std::span<const std::byte> frame, std::size_t at) {
    return std::to_integer<std::uint8_t>(frame[at]);
}
std::uint16_t get16(std::span<const std::byte> frame, std::size_t at) {
    return static_cast<std::uint16_t>(get8(frame, at) << 8 | get8(frame, at + 1));
}
std::uint32_t get32(std::span<const std::byte> frame, std::size_t at) {
    return std::uint32_t{get16(frame, at)} << 16 | get16(frame, at + 2);
}
void put16(std::span<std::byte> frame, std::size_t at, std::uint32_t value) {
    frame[at] = static_cast<std::byte>(value >> 8);
    frame[at + 1] = static_cast<std::byte>(value);
}
void put32(std::span<std::byte> frame, std::size_t at, std::uint32_t value) {
    put16(frame, at, value >> 16);
    put16(frame, at + 2, value & 0xffff);
}
void put_mac(std::span<std::byte> frame, std::size_t at, const Mac& mac) {
    std::ranges::copy(mac, frame.begin() + static_cast<std::ptrdiff_t>(at));
}

std::uint16_t checksum(std::span<const std::byte> bytes) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i + 1 < bytes.size(); i += 2)
        sum += get16(bytes, i);
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<std::uint16_t>(~sum);
}

// For an IPv4 packet without options or fragments that is for this host and wholly there.
bool is_for(std::span<const std::byte> frame, std::uint8_t host) {
    return frame.size() >= after_ip + udp_header && get16(frame, 12) == type_ip && get8(frame, ip) == 0x45 &&
           (get16(frame, ip + 6) & 0x3fff) == 0 && get32(frame, ip + 16) == (network | host) &&
           get16(frame, ip + 2) >= ip_header + udp_header && get16(frame, ip + 2) <= frame.size() - ip;
}

void put_ip(std::span<std::byte> frame, std::uint32_t payload_bytes, std::uint8_t from, std::uint8_t to) {
    put16(frame, 12, type_ip);
    put16(frame, ip, 0x4500);
    put16(frame, ip + 2, ip_header + udp_header + payload_bytes);
    put32(frame, ip + 4, 0x4000); // not to be fragmented
    put16(frame, ip + 8, 64 << 8 | protocol_udp);
    put16(frame, ip + 10, 0);
    put32(frame, ip + 12, network | from);
    put32(frame, ip + 16, network | to);
    put16(frame, ip + 10, checksum(frame.subspan(ip, ip_header)));
}

} // namespace

std::uint8_t host_number(const Option& option) {
    if (option.number() < 1 || option.number() > 254)
        guest::panic("option {}: write 1 to 254, the last byte of an address", option.name);
    return static_cast<std::uint8_t>(option.number());
}

Station::Station(std::string_view name, std::uint8_t host) : host_{host} {
    auto front = guest::net_device::Front::connect();
    if (!front)
        guest::panic("{}: this guest has no network interface that can be used ({}); give it one (net=lan)",
                     name, front.error());
    front_ = *front;
}

std::optional<Station::Datagram> Station::receive() {
    while (const auto packet = front_.receive()) {
        const auto frame = packet->bytes;
        if (is_for(frame, host_) && get8(frame, ip + 9) == protocol_udp) {
            received_ = frame;
            const auto bytes = get16(frame, ip + 2) - ip_header - udp_header;
            return Datagram{frame.subspan(after_ip + udp_header, bytes), get16(frame, after_ip),
                            get16(frame, after_ip + 2)};
        }
        if (is_for(frame, host_) && get8(frame, ip + 9) == protocol_icmp)
            take_echo_request(frame);
        else if (frame.size() >= arp + arp_bytes && get16(frame, 12) == type_arp)
            take_arp(frame);
        done();
    }
    return std::nullopt;
}

std::span<std::byte> Station::turn_round(std::span<const std::byte> frame) {
    const auto room = front_.room();
    if (room.empty())
        return {};
    std::ranges::copy(frame, room.begin());
    std::ranges::copy(frame.subspan(6, 6), room.begin());
    put_mac(room, 6, front_.mac());
    put32(room, ip + 12, get32(frame, ip + 16));
    put32(room, ip + 16, get32(frame, ip + 12));
    return room.first(frame.size());
}

void Station::send_back() {
    if (const auto frame = turn_round(received_); !frame.empty()) {
        put16(frame, after_ip, get16(received_, after_ip + 2));
        put16(frame, after_ip + 2, get16(received_, after_ip));
        put16(frame, after_ip + 6, 0); // no checksum
        front_.send(static_cast<std::uint32_t>(frame.size()));
    }
    done();
}

// Only the type changes, from 8 to 0, and the checksum with it.
void Station::take_echo_request(std::span<const std::byte> frame) {
    if (get8(frame, after_ip) != 8)
        return;
    const auto answer = turn_round(frame);
    if (answer.empty())
        return;
    put16(answer, after_ip, get8(frame, after_ip + 1));
    const std::uint32_t sum = get16(frame, after_ip + 2) + 0x0800U;
    put16(answer, after_ip + 2, (sum & 0xffff) + (sum >> 16));
    front_.send(static_cast<std::uint32_t>(answer.size()));
    push();
}

// Requests for our address are answered; an answer for us may be what we wait for.
void Station::take_arp(std::span<const std::byte> frame) {
    constexpr std::uint16_t request = 1, reply = 2;
    const auto sender = get32(frame, arp + 14);
    if (get32(frame, arp + 24) != (network | host_))
        return;
    if (get16(frame, arp + 6) == reply && peer_ != 0 && sender == (network | peer_)) {
        std::ranges::copy(frame.subspan(arp + 8, 6), peer_mac_.begin());
        is_resolved_ = true;
    }
    const auto room = front_.room();
    if (get16(frame, arp + 6) != request || room.empty())
        return;
    std::ranges::copy(frame.first(arp + arp_bytes), room.begin());
    std::ranges::copy(frame.subspan(6, 6), room.begin());
    put_mac(room, 6, front_.mac());
    put16(room, arp + 6, reply);
    put_mac(room, arp + 8, front_.mac());
    put32(room, arp + 14, network | host_);
    std::ranges::copy(frame.subspan(arp + 8, 10), room.begin() + arp + 18);
    front_.send(arp + arp_bytes);
    push();
}

void Station::ask_for(std::uint8_t host) {
    const auto room = front_.room();
    if (room.empty())
        return;
    std::ranges::fill(room.first(arp + arp_bytes), std::byte{0});
    put_mac(room, 0, everybody);
    put_mac(room, 6, front_.mac());
    put16(room, 12, type_arp);
    put32(room, arp, 1U << 16 | type_ip); // Ethernet and IPv4,
    put32(room, arp + 4, 0x06040001);     // of 6 and 4 bytes; a request
    put_mac(room, arp + 8, front_.mac());
    put32(room, arp + 14, network | host_);
    put32(room, arp + 24, network | host);
    front_.send(arp + arp_bytes);
    push();
}

bool Station::resolve(std::uint8_t host, GuestTime deadline) {
    constexpr Nanos patience = bulkhead::milliseconds(2);
    peer_ = host;
    for (is_resolved_ = false; !is_resolved_ && guest::now() < deadline;) {
        ask_for(host);
        const GuestTime again = std::min(guest::now() + patience, deadline);
        while (!is_resolved_ && guest::now() < again) {
            if (receive())
                done(); // not for this phase
            else
                static_cast<void>(guest::events::wait(front_.port(), again));
        }
    }
    return is_resolved_;
}

bool Station::send(std::uint64_t number, std::uint32_t payload_bytes, std::uint16_t target) {
    constexpr std::uint16_t own_port = 10'000;
    const auto room = front_.room();
    if (room.empty())
        return false;
    put_mac(room, 0, peer_mac_);
    put_mac(room, 6, front_.mac());
    put_ip(room, payload_bytes, host_, peer_);
    put16(room, after_ip, own_port);
    put16(room, after_ip + 2, target);
    put16(room, after_ip + 4, udp_header + payload_bytes);
    put16(room, after_ip + 6, 0);
    put32(room, headers_bytes, static_cast<std::uint32_t>(number >> 32));
    put32(room, headers_bytes + 4, static_cast<std::uint32_t>(number));
    front_.send(std::max<std::uint32_t>(headers_bytes + payload_bytes, 60));
    return true;
}

} // namespace bulkhead::workload
