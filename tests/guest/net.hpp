// What the tests of network rings have in common: two connected front ends of one guest, and packets from one
// to the other.
#pragma once

#include "guest/runtime/clock.hpp"
#include "guest/runtime/events.hpp"
#include "guest/runtime/net.hpp"
#include "guest/runtime/start.hpp"
#include "tests/guest/test.hpp"

#include <algorithm>

namespace bulkhead::guest_test {

using namespace bulkhead;
using net_device::Front;

inline Front interface(const net_device::Setup& setup = {}) {
    if (!has_xenstore())
        skip("this guest has no xenstore, so it has no network interface");
    const auto front = Front::connect(setup);
    if (!front && front.error() == Error::no_entry)
        skip("this guest has no network interface {}", setup.index);
    return works(front, "connecting to the interface");
}

// Fills a packet: the addresses, a type that nobody knows, and bytes that depend on `with`.
inline void fill(std::span<std::byte> packet, const net_device::Mac& to, const net_device::Mac& from,
                 std::uint8_t with) {
    std::ranges::copy(to, packet.begin());
    std::ranges::copy(from, packet.begin() + 6);
    packet[12] = std::byte{0x88};
    packet[13] = std::byte{0xb5};
    for (std::size_t i = 14; i < packet.size(); ++i)
        packet[i] = static_cast<std::byte>(with + i % 251);
}

inline void put_packet(Front& front, const net_device::Mac& to, std::uint32_t bytes, std::uint8_t with,
                       std::uint16_t flags = 0) {
    const auto room = front.room();
    check(room.size() >= bytes, "no page is free");
    fill(room.first(bytes), to, front.mac(), with);
    front.send(bytes, flags);
}

inline std::optional<Front::Packet> await_packet(Front& front, Nanos patience = milliseconds(20)) {
    for (const GuestTime deadline = now() + patience;;) {
        if (const auto packet = front.receive())
            return packet;
        if (now() >= deadline)
            return std::nullopt;
        events::wait(front.port(), deadline);
    }
}

// The next packet is that one, whole.
inline void expect_packet(Front& front, std::uint32_t bytes, std::uint8_t with) {
    const auto packet = await_packet(front);
    check(packet.has_value(), "a packet of {} bytes did not come", bytes);
    check(packet->bytes.size() == bytes, "a packet of {} bytes came, not of {}", packet->bytes.size(), bytes);
    for (std::size_t i = 14; i < bytes; ++i)
        check(packet->bytes[i] == static_cast<std::byte>(with + i % 251), "byte {} is wrong", i);
    front.done();
}

inline void expect_answer(Front& front, std::int16_t status, std::string_view what) {
    std::optional<netif_tx_response> found;
    for (const GuestTime deadline = now() + milliseconds(20); !found && now() < deadline;) {
        found = front.answer();
        if (!found)
            events::wait(front.port(), deadline);
    }
    check(found.has_value(), "{}: no answer", what);
    check(found->status == status, "{}: the status is {}, not {}", what,
          static_cast<std::int64_t>(found->status), static_cast<std::int64_t>(status));
}

} // namespace bulkhead::guest_test
