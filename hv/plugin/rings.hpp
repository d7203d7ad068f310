// The machine's modelled drive with its ring policy, as the back ends see them: requests go in, and come back
// through drive_is_done when their time on the drive is over. Behind it stands host/ring_host.hpp. The drive
// lock is held for every call.
#pragma once

#include "device/disk.hpp"
#include "hv/io/block_ring.hpp"
#include "hv/plugin/loader.hpp"

namespace bulkhead::hv::rings {

// At boot, on a machine with disks or a ring policy; `plugin` is nullptr for the fallback alone.
void start(const device::Disk& model, const LoadedPlugin* plugin, const std::int64_t* values);
// Another policy takes over with every ring and what is queued. If memory is short the former policy stays.
// no_device: it was not started.
[[nodiscard]] Result<> replace(const LoadedPlugin& plugin, const std::int64_t* values);

// What host::RingHost says of the functions of these names.
[[nodiscard]] bool open(BlockRing& ring);
void close(BlockRing& ring);
void tune(BlockTenant& tenant);
[[nodiscard]] bool is_open(const BlockRing& ring);
[[nodiscard]] std::uint64_t next_number();
void submit(BlockRing& ring, ringctl::Operation operation, std::uint64_t sector, std::uint32_t bytes);

// After any of these: the timer is set for what the drive or the policy does next.
void set_timer();

} // namespace bulkhead::hv::rings
