// Global numbers of vCPUs: each has one while it exists. It selects the descriptor area and the policy's
// object.
#pragma once

#include "hv/base/error.hpp"

#include <cstdint>

namespace bulkhead::hv {

struct Vcpu;

inline constexpr std::uint32_t max_vcpu_slots = 16384; // slot 0 is not a vCPU's

[[nodiscard]] Result<std::uint32_t> take_vcpu_slot(Vcpu& vcpu);
void free_vcpu_slot(std::uint32_t slot);
[[nodiscard]] Vcpu* vcpu_in_slot(std::uint32_t slot); // nullptr if free or out of range

} // namespace bulkhead::hv
