// The memory and ring policies that take over when one is ejected: built into every host, with no parameters,
// and simple enough to be right by looking.
#pragma once

#include "abi/plugin.hpp"

namespace bulkhead::plugin {

// Keeps every target as it is; who comes new gets what is left.
[[nodiscard]] const Descriptor& fallback_memory_policy();
// The oldest request first.
[[nodiscard]] const Descriptor& fallback_ring_policy();

} // namespace bulkhead::plugin
