// How long the hypervisor works before it looks whether others wait. The hypervisor and the simulator keep to
// it alike.
#pragma once

#include "abi/types.hpp"

namespace bulkhead::host {

// Of one entry into the hypervisor; long work stops at its next safe point after that.
inline constexpr Nanos section_budget = microseconds(20);

} // namespace bulkhead::host
