// The machine's devices as one: drive and switch, which are modelled, and real disks. A ring policy that is
// replaced is replaced at all of them. The drive lock is held for every call but `start`.
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
// Whether the policy takes these changes of a domain's parameters, as host::ActivePolicy::judge says it: at
// one of the devices at least, since a policy may have been ejected at another one. no_device: the machine
// has none.
[[nodiscard]] Result<host::Change> judge(const plugin::ValueChanges& changes);
// After any work of a modelled device: the timer is set for what a device or a policy does next. And of a
// real one: it is looked at again.
void set_timer();
void set_poll_timer();

} // namespace bulkhead::hv::devices
