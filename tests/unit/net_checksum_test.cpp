// Checksums that a sender has left blank. The receiver's rule judges them: the sum over what a checksum
// covers, with it, is all ones (RFC 1071).
#include "hv/io/net_checksum.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <gtest/gtest.h>
#include <vector>

namespace bulkhead::hv {
namespace {

using Packet = std::vector<std::byte>;

void append(Packet& packet, std::initializer_list<unsigned> bytes) {
    for (const unsigned byte : bytes)
        packet.push_back(static_cast<std::byte>(byte));
}

constexpr std::size_t ethernet = 14, ipv4 = 20, ipv6 = 40;
constexpr unsigned tcp = 6, udp = 17;

Packet frame(unsigned type_high, unsigned type_low, bool tagged = false) {
    Packet packet(12);
    if (tagged)
        append(packet, {0x81, 0x00, 0x00, 0x07});
    append(packet, {type_high, type_low});
    return packet;
}

Packet payload_of(unsigned protocol, std::size_t data) {
    Packet segment;
    for (std::size_t i = 0; i < (protocol == tcp ? 20 : 8) + data; ++i)
        segment.push_back(static_cast<std::byte>(37 * i + 11));
    return segment;
}

Packet over_ipv4(unsigned protocol, const Packet& segment, bool tagged = false) {
    Packet packet = frame(0x08, 0x00, tagged);
    const auto length = static_cast<unsigned>(ipv4 + segment.size());
    append(packet, {0x45, 0, length >> 8, length & 255, 0, 1, 0x40, 0, 64, protocol, 0xaa, 0xbb});
    append(packet, {10, 0, 0, 4, 10, 0, 0, 254});
    packet.insert(packet.end(), segment.begin(), segment.end());
    return packet;
}

Packet over_ipv6(unsigned protocol, const Packet& segment) {
    Packet packet = frame(0x86, 0xdd);
    const auto length = static_cast<unsigned>(segment.size());
    append(packet, {0x60, 0, 0, 0, length >> 8, length & 255, protocol, 64});
    for (unsigned i = 0; i < 32; ++i)
        append(packet, {200 + i});
    packet.insert(packet.end(), segment.begin(), segment.end());
    return packet;
}

std::uint64_t sum(const std::byte* bytes, std::size_t count) {
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < count; ++i)
        total += std::to_integer<std::uint64_t>(bytes[i]) << (i % 2 == 0 ? 8 : 0);
    return total;
}

// As the receiver sees it: `header` bytes of IP from `at` on, the addresses in its last `addresses` bytes.
bool is_right(const Packet& packet, std::size_t at, std::size_t header, std::size_t addresses,
              unsigned protocol, std::size_t length) {
    auto total = sum(&packet[at + header - addresses], addresses) + protocol + length +
                 sum(&packet[at + header], length);
    while (total > 0xffff)
        total = (total & 0xffff) + (total >> 16);
    return total == 0xffff;
}

TEST(BlankChecksum, OfTcpAndUdpOverIpv4IsWhatTheReceiverExpects) {
    for (const unsigned protocol : {tcp, udp})
        for (const std::size_t data : {0, 1, 2, 777, 1400}) {
            const auto segment = payload_of(protocol, data);
            auto packet = over_ipv4(protocol, segment);
            ASSERT_TRUE(complete_checksum(packet));
            EXPECT_TRUE(is_right(packet, ethernet, ipv4, 8, protocol, segment.size()))
                << protocol << ' ' << data;
        }
}

TEST(BlankChecksum, OfTcpAndUdpOverIpv6IsWhatTheReceiverExpects) {
    for (const unsigned protocol : {tcp, udp}) {
        const auto segment = payload_of(protocol, 333);
        auto packet = over_ipv6(protocol, segment);
        ASSERT_TRUE(complete_checksum(packet));
        EXPECT_TRUE(is_right(packet, ethernet, ipv6, 32, protocol, segment.size()));
    }
}

TEST(BlankChecksum, LiesBehindAVlanTag) {
    const auto segment = payload_of(udp, 18);
    auto packet = over_ipv4(udp, segment, true);
    ASSERT_TRUE(complete_checksum(packet));
    EXPECT_TRUE(is_right(packet, ethernet + 4, ipv4, 8, udp, segment.size()));
}

TEST(BlankChecksum, OnlyTheChecksumChangesWhateverWasThere) {
    const auto before = over_ipv4(tcp, payload_of(tcp, 100));
    auto packet = before;
    ASSERT_TRUE(complete_checksum(packet));
    auto again = packet;
    ASSERT_TRUE(complete_checksum(again));
    EXPECT_EQ(packet, again);
    for (std::size_t i = 0; i < packet.size(); ++i)
        if (i != ethernet + ipv4 + 16 && i != ethernet + ipv4 + 17) {
            EXPECT_EQ(packet[i], before[i]) << i;
        }
}

// The padding of a short Ethernet frame is not covered.
TEST(BlankChecksum, CoversWhatTheIpHeaderSays) {
    const auto segment = payload_of(udp, 3);
    auto packet = over_ipv4(udp, segment);
    auto padded = packet;
    padded.resize(60, std::byte{0xee});
    ASSERT_TRUE(complete_checksum(packet) && complete_checksum(padded));
    EXPECT_TRUE(std::equal(packet.begin(), packet.end(), padded.begin()));
}

// 0 means "none" in UDP.
TEST(BlankChecksum, OfUdpIsNeverZero) {
    auto packet = over_ipv4(udp, payload_of(udp, 2));
    std::fill(packet.end() - 2, packet.end(), std::byte{0});
    ASSERT_TRUE(complete_checksum(packet));
    const std::size_t at = ethernet + ipv4 + 6;
    std::copy_n(packet.begin() + at, 2, packet.end() - 2); // the sum is all ones without the checksum
    ASSERT_TRUE(complete_checksum(packet));
    EXPECT_EQ(packet[at], std::byte{0xff});
    EXPECT_EQ(packet[at + 1], std::byte{0xff});
}

TEST(BlankChecksum, OfNothingElseIsMade) {
    const auto good = over_ipv4(tcp, payload_of(tcp, 39));
    const auto refuses = [](Packet packet) {
        const auto before = packet;
        return !complete_checksum(packet) && packet == before;
    };
    const auto with = [&good](std::size_t at, unsigned value) {
        auto packet = good;
        packet[at] = static_cast<std::byte>(value);
        return packet;
    };
    EXPECT_TRUE(refuses(with(ethernet + 9, 1))) << "ICMP";
    EXPECT_TRUE(refuses(with(ethernet + 6, 0x20))) << "a first fragment";
    EXPECT_TRUE(refuses(with(ethernet + 7, 0x02))) << "a later fragment";
    EXPECT_TRUE(refuses(with(ethernet, 0x44))) << "a header of 16 bytes";
    EXPECT_TRUE(refuses(with(ethernet, 0x4f))) << "options up to the checksum";
    EXPECT_TRUE(refuses(with(ethernet + 2, 0xff))) << "longer than the frame";
    EXPECT_TRUE(refuses(with(ethernet + 3, 10))) << "shorter than its header";
    EXPECT_TRUE(refuses(with(13, 0x06))) << "ARP";
    EXPECT_TRUE(refuses(over_ipv6(0, payload_of(tcp, 40)))) << "an extension header";
    EXPECT_TRUE(refuses(over_ipv4(tcp, Packet(19)))) << "less than a TCP header";
    EXPECT_TRUE(refuses(over_ipv6(udp, Packet(7)))) << "less than a UDP header";
    for (std::size_t size = 0; size < good.size(); ++size)
        EXPECT_TRUE(refuses({good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size)})) << size;
}

} // namespace
} // namespace bulkhead::hv
