// Ring 0 as a world of host/ring_host.hpp for the machine's switch: each interface has two rings, one for
// the packets that its guest sends, one for those that it receives. Everything is called with the drive lock
// held.
#pragma once

#include "hv/io/net_port.hpp"
#include "hv/io/net_seats.hpp"
#include "hv/plugin/ring_world.hpp"

namespace bulkhead::hv {

// What the world keeps, in net_rings.cpp.
struct NetGround {
    device::DiskDrive engine;
    RealTime done{}; // when it was done with the packet at hand
};

struct NetWorld : RingPolicyWorld<layout::net_policy_memory> {
    using Ring = NetQueue;
    using Domain = RingTenant;

    NetGround* ground;

    [[nodiscard]] device::DiskDrive& device() const { return ground->engine; }
    [[nodiscard]] static Ring* ring_by_number(std::uint32_t number) { return queue_by_number(number); }
    static void taken(const Ring& queue, const host::RequestFields& packet) {
        if (is_traced(trace::Event::ring_request))
            trace_event(trace::Event::ring_request, *queue.port->guest, name_of(queue, packet.number),
                        packet.bytes);
    }
    void done(Ring& queue, const host::RequestFields& packet, Nanos service) const {
        if (is_traced(trace::Event::ring_complete))
            trace_event(trace::Event::ring_complete, *queue.port->guest, name_of(queue, packet.number),
                        static_cast<std::uint64_t>(service.count()));
        host::count(queue.port->guest->ledger->networks, packet);
        if (packet.operation == ringctl::Operation::send)
            packet_is_sent(*queue.port, packet.tag, ground->done);
        else
            packet_is_admitted(*queue.port);
    }

    // Block rings have the numbers below.
    static constexpr std::uint32_t first_name = std::uint32_t{1} << 31;
    [[nodiscard]] static std::uint64_t name_of(const Ring& queue, std::uint64_t packet) {
        return std::uint64_t{first_name + queue.queue.number} << 32 | (packet & 0xffffffff);
    }
};

} // namespace bulkhead::hv
