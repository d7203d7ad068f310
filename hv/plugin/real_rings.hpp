// The machine's real disks with their ring policy, as the back ends see them: what hv/plugin/rings.hpp is for
// the modelled drive, with an object of the policy of its own. The drive lock is held for every call.
#pragma once

#include "device/disk.hpp"
#include "hv/io/block_ring.hpp"
#include "hv/plugin/loader.hpp"

namespace bulkhead::hv::real_rings {

// At boot, on a machine with real disks. `model` says how many requests they are given at a time, and what a
// policy is told to expect of each.
void start(const device::Disk& model, const LoadedPlugin* plugin, const std::int64_t* values);
[[nodiscard]] bool is_running();
// It was started; another policy takes over with every ring and what is queued. no_memory: the former one
// stays.
[[nodiscard]] Result<> replace(const LoadedPlugin& plugin, const std::int64_t* values);

// What host::RingHost says of the functions of these names.
[[nodiscard]] bool open(BlockRing& ring);
void close(BlockRing& ring);
void tune(RingTenant& tenant);
[[nodiscard]] host::Change judge(const plugin::ValueChanges& changes); // whether the policy takes them
[[nodiscard]] host::Change change(RingTenant& tenant, const plugin::ValueChanges& changes);
void submit(BlockRing& ring, ringctl::Operation operation, std::uint64_t sector, std::uint32_t bytes,
            std::uint32_t tag);

// One piece of what is due (hv/plugin/devices.hpp): false if there is nothing. And when there will be, or a
// disk is to be looked at.
[[nodiscard]] bool step(RealTime now);
[[nodiscard]] RealTime next_work();

} // namespace bulkhead::hv::real_rings
