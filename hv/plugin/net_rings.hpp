// The machine's switch with its ring policy, as the network back end sees them: packets go in, and come back
// through packet_is_sent and packet_is_admitted when the switch is done with them. Behind it stands
// host/ring_host.hpp. The drive lock is held for every call.
#pragma once

#include "device/disk.hpp"
#include "hv/io/net_port.hpp"
#include "hv/plugin/loader.hpp"

namespace bulkhead::hv::net_rings {

// At boot, on a machine with network interfaces. The switch handles packets one after another, as a drive
// without seeks would; `plugin` is nullptr for the fallback alone.
void start(const device::Disk& model, const LoadedPlugin* plugin, const std::int64_t* values);
[[nodiscard]] bool is_running();
// It was started; another policy takes over with every ring and what is queued. no_memory: the former one
// stays.
[[nodiscard]] Result<> replace(const LoadedPlugin& plugin, const std::int64_t* values);

// What host::RingHost says of the functions of these names.
[[nodiscard]] bool open(NetQueue& queue);
void close(NetQueue& queue);
void tune(RingTenant& tenant);
[[nodiscard]] host::Change judge(const plugin::ValueChanges& changes); // whether the policy takes them
[[nodiscard]] host::Change change(RingTenant& tenant, const plugin::ValueChanges& changes);
[[nodiscard]] bool is_open(const NetQueue& queue);
// `wire` is what the switch has to do for the packet.
void submit(NetQueue& queue, ringctl::Operation operation, const device::Wire& wire, std::uint32_t tag);

// One piece of what is due (hv/plugin/devices.hpp): false if there is nothing. And when there will be.
[[nodiscard]] bool step(RealTime now);
[[nodiscard]] RealTime next_work();

} // namespace bulkhead::hv::net_rings
