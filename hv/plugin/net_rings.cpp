#include "hv/plugin/net_rings.hpp"

#include "hv/base/late.hpp"
#include "hv/dispatch/devices.hpp"
#include "hv/io/net.hpp"
#include "hv/plugin/net_world.hpp"

#include <algorithm>

namespace bulkhead::hv::net_rings {

namespace {

constinit Late<NetGround> ground;
constinit Late<host::RingHost<NetWorld>> policy_host;
constinit bool is_there = false;
constinit bool has_bytes = false; // to be moved, for which there was no time

void finish_oldest() {
    const auto service = ground->engine.take_done();
    device_works_for(
        boost::intrusive::get_parent_from_member(service.request->ring, &NetQueue::queue)->port->guest);
    ground->done = service.done;
    policy_host->complete(*service.request, service.time);
    policy_host->give_work();
    has_bytes = true;
}

} // namespace

void start(const device::Disk& model, const LoadedPlugin* plugin, const std::int64_t* values) {
    start_passing();
    start_arrivals();
    NetWorld::reserve_regions();
    NetWorld world{};
    world.ground = &ground.make(device::DiskDrive{model});
    is_there = true;
    policy_host.make(world).start(plugin != nullptr ? *plugin : NetWorld::fallback(), values);
}

bool is_running() { return is_there; }

Result<> replace(const LoadedPlugin& plugin, const std::int64_t* values) {
    if (!policy_host->replace(plugin, values))
        return fail(Error::no_memory);
    policy_host->give_work();
    return {};
}

bool open(NetQueue& queue) { return policy_host->open(queue); }
void close(NetQueue& queue) { policy_host->close(queue); }
void tune(RingTenant& tenant) { policy_host->tune(tenant); }
bool is_open(const NetQueue& queue) { return host::RingHost<NetWorld>::is_open(queue); }
std::uint64_t next_number() { return policy_host->submitted(); }

void submit(NetQueue& queue, ringctl::Operation operation, std::uint32_t bytes) {
    host::RequestFields coming;
    coming.number = policy_host->submitted();
    trace_event(trace::Event::ring_submit, *queue.port->guest, NetWorld::name_of(queue, coming), bytes);
    policy_host->submit(queue, operation, 0, bytes);
}

// The switch comes first, so that it does not idle while bytes move; then what makes room.
bool step() {
    if (!is_there)
        return false;
    const RealTime now = machine::now();
    if (ground->engine.next() <= now) {
        finish_oldest();
    } else if (policy_host->asks_again() <= now) {
        device_works_for(nullptr);
        policy_host->give_work();
    } else if (announce_one_packet(now)) {
        return true;
    } else if (has_bytes) {
        const bool delivered = deliver_one_packet(), passed = pass_one_packet();
        has_bytes = delivered || passed;
    } else {
        return take_left_packets();
    }
    return true;
}

RealTime next_work() {
    if (!is_there)
        return RealTime::never();
    if (has_bytes || are_packets_left())
        return machine::now();
    return std::min({ground->engine.next(), policy_host->asks_again(), next_arrival()});
}

} // namespace bulkhead::hv::net_rings
