#include "hv/plugin/rings.hpp"

#include "hv/base/late.hpp"
#include "hv/dispatch/devices.hpp"
#include "hv/io/block.hpp"
#include "hv/plugin/ring_world.hpp"

#include <algorithm>

namespace bulkhead::hv {

namespace rings {

namespace {

constinit Late<device::DiskDrive> drive;
constinit Late<host::RingHost<RingWorld>> policy_host;

constinit bool is_there = false;
constinit bool has_copies = false; // for which there was no time

void finish_oldest() {
    const auto service = drive->take_done();
    device_works_for(
        boost::intrusive::get_parent_from_member(service.request->ring, &BlockRing::queue)->guest);
    policy_host->complete(*service.request, service.time);
}

} // namespace

void start(const device::Disk& model, const LoadedPlugin* plugin, const std::int64_t* values) {
    start_block_rings();
    start_seats();
    RingWorld::reserve_regions();
    RingWorld world{};
    world.drive = &drive.make(model);
    is_there = true;
    policy_host.make(world).start(plugin != nullptr ? *plugin : RingWorld::fallback(), values);
}

// The drive comes first, so that it does not idle while bytes move.
bool step() {
    if (!is_there)
        return false;
    if (drive->next() <= machine::now()) {
        finish_oldest();
        policy_host->give_work();
        has_copies = true;
    } else if (policy_host->asks_again() <= machine::now()) {
        device_works_for(nullptr);
        policy_host->give_work();
    } else if (has_copies) {
        has_copies = copy_one_request();
    } else {
        return take_left_requests();
    }
    return true;
}

RealTime next_work() {
    if (!is_there)
        return RealTime::never();
    if (has_copies || is_more_left())
        return machine::now();
    return std::min(drive->next(), policy_host->asks_again());
}

Result<> replace(const LoadedPlugin& plugin, const std::int64_t* values) {
    if (!policy_host->replace(plugin, values))
        return fail(Error::no_memory);
    policy_host->give_work();
    return {};
}

bool is_running() { return is_there; }

bool open(BlockRing& ring) { return policy_host->open(ring); }
void close(BlockRing& ring) { policy_host->close(ring); }
void tune(RingTenant& tenant) { policy_host->tune(tenant); }
bool is_open(const BlockRing& ring) { return host::RingHost<RingWorld>::is_open(ring); }
std::uint64_t next_number() { return policy_host->submitted(); }

void submit(BlockRing& ring, ringctl::Operation operation, std::uint64_t sector, std::uint32_t bytes) {
    host::RequestFields coming;
    coming.number = policy_host->submitted();
    trace_event(trace::Event::ring_submit, *ring.guest, RingWorld::name_of(ring, coming), bytes);
    policy_host->submit(ring, operation, sector, bytes);
}

} // namespace rings

} // namespace bulkhead::hv
