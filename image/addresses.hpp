// The virtual addresses that a PV guest may use, and alignment arithmetic that does not overflow for
// them.
#pragma once

#include "abi/types.hpp"

namespace bulkhead::image {

inline constexpr std::uint64_t hypervisor_begin = 0xffff'8000'0000'0000;
inline constexpr std::uint64_t hypervisor_end = 0xffff'8800'0000'0000;
inline constexpr std::uint64_t low_half_end = 0x0000'8000'0000'0000;

// The most memory a domain's plan is made for: 1 TiB. It keeps all sums far from overflow.
inline constexpr std::uint64_t max_domain_bytes = std::uint64_t{1} << 40;

constexpr std::uint64_t round_down(std::uint64_t value, std::uint64_t unit) { return value / unit * unit; }
constexpr std::uint64_t round_up(std::uint64_t value, std::uint64_t unit) {
    return round_down(value + unit - 1, unit);
}
constexpr std::uint64_t pages_for(std::uint64_t bytes) { return round_up(bytes, page_bytes) / page_bytes; }

// Whether [begin, begin + bytes) is one canonical range outside of the hypervisor's. `bytes` is at most 2^41
// and not 0.
constexpr bool guest_may_map(std::uint64_t begin, std::uint64_t bytes) {
    const std::uint64_t last = begin + (bytes - 1);
    if (last < begin)
        return false;
    return last < low_half_end || begin >= hypervisor_end;
}

// The same for a 32-bit guest: below the hypervisor's hole.
inline constexpr std::uint64_t pae_hole = 0xf580'0000;
constexpr bool guest_may_map(std::uint64_t begin, std::uint64_t bytes, bool pae) {
    return pae ? begin < pae_hole && bytes <= pae_hole - begin : guest_may_map(begin, bytes);
}

} // namespace bulkhead::image
