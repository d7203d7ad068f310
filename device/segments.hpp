// What a link carries of a packet that its sender left to others to cut: TCP segments, each with a copy of
// the headers. Freestanding, the same source in every world.
#pragma once

#include <algorithm>
#include <cstdint>

namespace bulkhead::device {

// Packets and their bytes as they are on a link.
struct Wire {
    std::uint32_t packets = 1, bytes = 0;
    constexpr bool operator==(const Wire&) const = default;
};

// Of Ethernet, IP and TCP with its time stamps, as Linux sends them. The switch is told sizes only.
inline constexpr std::uint32_t headers_of_tcp4 = 14 + 20 + 32, headers_of_tcp6 = 14 + 40 + 32;

// A packet of `bytes` bytes whose payload is cut into pieces of `segment` bytes; 0: it is not cut.
[[nodiscard]] constexpr Wire on_the_wire(std::uint32_t bytes, std::uint32_t segment, std::uint32_t headers) {
    if (segment == 0 || bytes <= headers + segment)
        return {1, bytes};
    const auto packets = (bytes - headers + segment - 1) / segment;
    return {packets, bytes + (packets - 1) * headers};
}

} // namespace bulkhead::device
