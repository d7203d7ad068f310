#include "hv/io/net_checksum.hpp"

#include <cstdint>

namespace bulkhead::hv {

namespace {

using Bytes = std::span<std::byte>;

constexpr std::uint32_t tcp = 6, udp = 17;

std::uint32_t word(Bytes bytes, std::size_t at) {
    return std::to_integer<std::uint32_t>(bytes[at]) << 8 | std::to_integer<std::uint32_t>(bytes[at + 1]);
}

// RFC 1071: the sum of 16-bit words in one's complement, an odd last byte filled with 0. Packets are short
// enough for 32 bits.
std::uint32_t sum(Bytes bytes) {
    std::uint32_t total = 0;
    for (std::size_t i = 0; i + 1 < bytes.size(); i += 2)
        total += word(bytes, i);
    if (bytes.size() % 2 != 0)
        total += std::to_integer<std::uint32_t>(bytes.back()) << 8;
    return total;
}

// What the checksum covers: a segment of TCP or UDP, and the addresses of the packet.
struct Covered {
    Bytes segment{};
    Bytes addresses{};
    std::uint32_t protocol = 0;
};

// An empty segment if there is none. `packet` begins with the IP header.
Covered of_ipv4(Bytes packet) {
    constexpr std::size_t least_header = 20;
    constexpr std::uint32_t more_fragments_or_offset = 0x3fff;
    if (packet.size() < least_header)
        return {};
    const std::size_t header = (word(packet, 0) >> 8 & 15) * 4, length = word(packet, 2);
    if (header < least_header || length < header || length > packet.size() ||
        (word(packet, 6) & more_fragments_or_offset) != 0)
        return {};
    return {packet.first(length).subspan(header), packet.subspan(12, 8),
            std::to_integer<std::uint32_t>(packet[9])};
}

Covered of_ipv6(Bytes packet) {
    constexpr std::size_t header = 40;
    if (packet.size() < header)
        return {};
    const std::size_t length = word(packet, 4);
    if (length > packet.size() - header)
        return {};
    return {packet.subspan(header, length), packet.subspan(8, 32), std::to_integer<std::uint32_t>(packet[6])};
}

Covered covered(Bytes frame) {
    constexpr std::size_t type_at = 12, tag = 4;
    constexpr std::uint32_t vlan = 0x8100, ipv4 = 0x0800, ipv6 = 0x86dd;
    std::size_t at = type_at;
    if (frame.size() >= at + tag + 2 && word(frame, at) == vlan)
        at += tag;
    if (frame.size() < at + 2)
        return {};
    const auto type = word(frame, at);
    const auto packet = frame.subspan(at + 2);
    return type == ipv4 ? of_ipv4(packet) : type == ipv6 ? of_ipv6(packet) : Covered{};
}

} // namespace

bool complete_checksum(Bytes packet) {
    const auto found = covered(packet);
    if (found.protocol != tcp && found.protocol != udp)
        return false;
    const std::size_t at = found.protocol == tcp ? 16 : 6, least = found.protocol == tcp ? 20 : 8;
    if (found.segment.size() < least)
        return false;
    found.segment[at] = found.segment[at + 1] = std::byte{0};
    std::uint32_t total = sum(found.addresses) + found.protocol +
                          static_cast<std::uint32_t>(found.segment.size()) + sum(found.segment);
    while (total > 0xffff)
        total = (total & 0xffff) + (total >> 16);
    total = ~total & 0xffff;
    if (total == 0 && found.protocol == udp) // 0 would say that there is no checksum (RFC 768)
        total = 0xffff;
    found.segment[at] = static_cast<std::byte>(total >> 8);
    found.segment[at + 1] = static_cast<std::byte>(total & 0xff);
    return true;
}

} // namespace bulkhead::hv
