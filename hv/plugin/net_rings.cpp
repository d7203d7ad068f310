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

Domain* owner(const host::Request& request) {
    return boost::intrusive::get_parent_from_member(request.ring, &NetQueue::queue)->port->guest;
}

void finish_oldest() {
    const auto service = ground->engine.take_done();
    device_works_for(owner(*service.request));
    ground->done = service.done;
    policy_host->give_work(policy_host->complete(*service.request, service.time));
}

bool are_bytes_left() { return is_packet_to_deliver() || is_packet_to_pass(); }

// What makes room in a port's buffer comes first.
void move_one_packet() {
    if (is_packet_to_deliver())
        deliver_one_packet();
    else
        pass_one_packet();
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
host::Change judge(const plugin::ValueChanges& changes) { return policy_host->judge(changes); }
host::Change change(RingTenant& tenant, const plugin::ValueChanges& changes) {
    return policy_host->change(tenant, changes);
}
bool is_open(const NetQueue& queue) { return host::RingHost<NetWorld>::is_open(queue); }

void submit(NetQueue& queue, ringctl::Operation operation, const device::Wire& wire, std::uint32_t tag) {
    if (is_traced(trace::Event::ring_submit))
        trace_event(trace::Event::ring_submit, *queue.port->guest,
                    NetWorld::name_of(queue, policy_host->submitted()), wire.bytes);
    policy_host->submit(queue, operation, 0, wire.bytes, tag, wire.packets);
}

// The switch comes first, so that it does not idle while bytes move; then what makes room. A policy's own
// instant is billed to the domain whose packet has waited longest.
bool step(RealTime now) {
    if (!is_there)
        return false;
    if (ground->engine.next() <= now) {
        finish_oldest();
    } else if (policy_host->asks_again() <= now) {
        device_works_for(owner(policy_host->oldest()));
        policy_host->give_work(now);
    } else if (!announce_one_packet(now) && !are_bytes_left()) {
        return take_left_packets();
    }
    if (are_bytes_left())
        move_one_packet();
    return true;
}

RealTime next_work() {
    if (!is_there)
        return RealTime::never();
    if (are_bytes_left() || are_packets_left())
        return machine::now();
    return std::min({ground->engine.next(), policy_host->asks_again(), next_arrival()});
}

} // namespace bulkhead::hv::net_rings
