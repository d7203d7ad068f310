// The built-in policy that takes over when a plug-in was removed: one queue, equal slices, nothing to
// configure.
#pragma once

#include "abi/plugin.hpp"

namespace bulkhead::hv {

[[nodiscard]] const plugin::Descriptor& fallback_scheduler();

} // namespace bulkhead::hv
