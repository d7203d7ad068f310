// The machine's modelled drive with its ring policy, as the back ends see them: requests go in, and come back
// through drive_is_done when their time on the drive is over. Behind it stands host/ring_host.hpp. The drive
// lock is held for every call.
#pragma once

#include "device/disk.hpp"
#include "hv/io/block_ring.hpp"
#include "hv/plugin/loader.hpp"

namespace bulkhead::hv::rings {

// At boot, on a machine with disks or a ring policy; `plugin` is nullptr for the fallback alone.
// Work for a request after its guest has asked for it is billed to that guest, or to nobody if not
// `is_billed`.
void start(const device::Disk& model, bool is_billed, const LoadedPlugin* plugin, const std::int64_t* values);
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
[[nodiscard]] bool is_open(const BlockRing& ring);
void submit(BlockRing& ring, ringctl::Operation operation, std::uint64_t sector, std::uint32_t bytes,
            std::uint32_t tag);

// What follows in this piece is work for that guest.
void work_for(Domain* guest);

// One piece of what is due (hv/plugin/devices.hpp): false if there is nothing. And when there will be.
[[nodiscard]] bool step(RealTime now);
[[nodiscard]] RealTime next_work();

} // namespace bulkhead::hv::rings
