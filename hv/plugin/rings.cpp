#include "hv/plugin/rings.hpp"

#include "hv/base/late.hpp"
#include "hv/dispatch/devices.hpp"
#include "hv/io/block.hpp"
#include "hv/plugin/ring_world.hpp"
#include "hv/trace/ledger.hpp"

#include <algorithm>

namespace bulkhead::hv {

namespace rings {

namespace {

constinit Late<device::DiskDrive> drive;
constinit Late<host::RingHost<RingWorld>> policy_host;

constinit bool is_there = false, bills_guests = true;

Domain* owner(const host::Request& request) {
    return boost::intrusive::get_parent_from_member(request.ring, &BlockRing::queue)->guest;
}

void finish_next() {
    const auto service = drive->take_done();
    work_for(owner(*service.request));
    policy_host->give_work(policy_host->complete(*service.request, service.time));
}

} // namespace

void start(const device::Disk& model, bool is_billed, const LoadedPlugin* plugin,
           const std::int64_t* values) {
    bills_guests = is_billed;
    start_block_rings();
    start_seats();
    RingWorld::reserve_regions();
    RingWorld world{};
    world.drive = &drive.make(model);
    is_there = true;
    policy_host.make(world).start(plugin != nullptr ? *plugin : RingWorld::fallback(), values);
}

void work_for(Domain* guest) {
    device_works_for(bills_guests ? guest : nullptr);
    if (!bills_guests)
        bill_to(nullptr);
}

// The drive comes first, so that it does not idle while bytes move. A policy's own instant is billed to the
// domain whose request has waited longest.
bool step(RealTime now) {
    if (!is_there)
        return false;
    if (drive->next() <= now) {
        finish_next();
    } else if (policy_host->asks_again() <= now) {
        work_for(owner(policy_host->oldest()));
        policy_host->give_work(now);
    } else if (!is_copy_left()) {
        return take_left_requests<false>();
    }
    if (is_copy_left())
        copy_one_request();
    return true;
}

RealTime next_work() {
    if (!is_there)
        return RealTime::never();
    if (is_copy_left() || is_more_left<false>())
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
host::Change judge(const plugin::ValueChanges& changes) { return policy_host->judge(changes); }
host::Change change(RingTenant& tenant, const plugin::ValueChanges& changes) {
    return policy_host->change(tenant, changes);
}
bool is_open(const BlockRing& ring) { return host::RingHost<RingWorld>::is_open(ring); }

void submit(BlockRing& ring, ringctl::Operation operation, std::uint64_t sector, std::uint32_t bytes,
            std::uint32_t tag) {
    if (is_traced(trace::Event::ring_submit))
        trace_event(trace::Event::ring_submit, *ring.guest,
                    RingWorld::name_of(ring, policy_host->submitted()), bytes);
    policy_host->submit(ring, operation, sector, bytes, tag);
}

} // namespace rings

} // namespace bulkhead::hv
