// The machine's modelled devices, drive and switch, as one: they share a timer, and a ring policy that is
// replaced is replaced at both. The drive lock is held for every call but `start`.
#pragma once

#include "hv/base/error.hpp"
#include "hv/plugin/loader.hpp"

#include <cstdint>

namespace bulkhead::hv::devices {

// At boot, after those that the machine has.
void start();
// Another policy takes over with every ring and what is queued. If memory is short the former policy stays.
// no_device: the machine has none.
[[nodiscard]] Result<> replace_policies(const LoadedPlugin& plugin, const std::int64_t* values);
// After any work of a device: the timer is set for what a device or a policy does next.
void set_timer();

} // namespace bulkhead::hv::devices
