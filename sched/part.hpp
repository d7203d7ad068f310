// A domain's part of several pCPUs, by weight. A domain with few vCPUs cannot make up for the loss of a pCPU
// by having more of them later; one with many can. So the second leaves a pCPU to the first, within bounds.
#pragma once

#include "sched/contract.hpp"

namespace bulkhead::sched {

// An owner of a pCPU that is ahead of the taker by more than this, in CPU time of its own, has had its due.
inline constexpr Nanos most_ahead = milliseconds(10);

// Whether a domain can use no more vCPUs at once than its part of the pCPUs is, rounded up. `active` has the
// weights of all domains with runnable vCPUs.
[[nodiscard]] constexpr bool uses_its_part(std::uint32_t runnable, std::uint32_t weight, std::int64_t active,
                                           std::uint32_t pcpus) {
    return (std::int64_t{runnable} - 1) * active < std::int64_t{weight} * pcpus;
}

// Whether a domain that has `taken` pCPUs has its part of them, rounded up.
[[nodiscard]] constexpr bool has_its_part(std::int64_t taken, std::uint32_t weight, std::int64_t active,
                                          std::uint32_t pcpus) {
    return taken * active >= std::int64_t{weight} * pcpus;
}

} // namespace bulkhead::sched
