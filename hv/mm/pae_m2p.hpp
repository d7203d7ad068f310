// The machine-to-physical table of 32-bit guests: words of four bytes at the bottom of the hole, where the
// ABI has them. One for the machine, made when the first such guest is. The hypervisor's own table stays the
// truth: what this one says of a frame that no 32-bit guest owns means nothing.
#pragma once

#include "hv/base/error.hpp"
#include "hv/mm/pae.hpp"

#include <array>

namespace bulkhead::hv::pae {

inline constexpr std::uint64_t m2p_end = 0xf6800000; // fixed by the ABI: frames of the first 16 GiB

struct M2p {
    std::array<Mfn, (m2p_end - hole) / page_bytes / entry::per_table> l1s;
    std::uint64_t pages; // made so far
};
inline constinit M2p the_m2p{};

// Before a 32-bit domain is created; the control lock is held. Fails with no_memory, or with restart at a
// preemption point, having kept what it made.
[[nodiscard]] Result<> prepare_m2p();

// A frame of such a domain's. Those above 16 GiB have no entry.
void set_m2p(Mfn mfn, std::uint64_t pfn);

// The entries of the hole in an L2 of the last GiB, for good: they lead to the table, and let ring 1 read it.
void install_hole(std::uint64_t* l2);
// Entry `index` of such an L2, one of the hole's, but for `accessed`.
[[nodiscard]] std::uint64_t hole_entry(unsigned index);

} // namespace bulkhead::hv::pae
