// The run's random numbers. Every source of randomness in the hypervisor derives from its seed.
#pragma once

#include <cstdint>

namespace bulkhead::hv {

void seed_random(std::uint64_t seed);
[[nodiscard]] std::uint64_t next_random();

} // namespace bulkhead::hv
