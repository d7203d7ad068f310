// Ring 0 as a world of host/ring_host.hpp: what the host of ring policies asks of the hypervisor. Everything
// is called with the drive lock held.
#pragma once

#include "device/drive.hpp"
#include "host/ring_host.hpp"
#include "host/ring_use.hpp"
#include "hv/arch/address_space.hpp"
#include "hv/arch/layout.hpp"
#include "hv/io/block_ring.hpp"
#include "hv/io/block_seats.hpp"
#include "hv/io/real_drive.hpp"
#include "hv/plugin/policy_world.hpp"
#include "hv/plugin/random.hpp"
#include "hv/trace/trace.hpp"

namespace bulkhead::hv {

// What the worlds of ring policies have in common; the policies of each device have their own memory.
template<std::uint64_t memory>
struct RingPolicyWorld
    : PolicyWorld<host::RingKind, plugin::Kind::ring, host::fallback_ring_policy, memory, 2> {
    using Base = PolicyWorld<host::RingKind, plugin::Kind::ring, host::fallback_ring_policy, memory, 2>;

    [[nodiscard]] static std::uint64_t random() { return next_random(); }
    static void kick(PcpuId) {}
    [[nodiscard]] static std::uint32_t policy_pcpus() { return 0; }
    // Tables for the beginning of every region, at boot: what opens the first ring is short.
    static void reserve_regions() {
        for (std::uint32_t set = 0; set < host::policy_sets; ++set)
            for (std::uint32_t number = 0; number <= host::RingKind::pools; ++number)
                if (!reserve_hypervisor(Base::region(set, number), page_bytes))
                    Base::give_up(host::RingKind::no_memory);
    }
};

// Of the disks of one kind, on a device of that kind.
template<bool real, class Drive, std::uint64_t memory>
struct DiskWorld : RingPolicyWorld<memory> {
    using Ring = BlockRing;
    using Domain = RingTenant;

    Drive* drive;

    [[nodiscard]] Drive& device() const { return *drive; }
    [[nodiscard]] static Ring* ring_by_number(std::uint32_t number) {
        return hv::ring_by_number<real>(number);
    }
    static void taken(const Ring& ring, const host::RequestFields& request) {
        if (is_traced(trace::Event::ring_request))
            trace_event(trace::Event::ring_request, *ring.guest, name_of(ring, request.number),
                        request.bytes);
    }
    static void done(Ring& ring, const host::RequestFields& request, Nanos service) {
        if (is_traced(trace::Event::ring_complete))
            trace_event(trace::Event::ring_complete, *ring.guest, name_of(ring, request.number),
                        static_cast<std::uint64_t>(service.count()));
        host::count(ring.guest->ledger->disks, request);
        drive_is_done<real>(ring, request);
    }
    // Rings of real disks have numbers beyond those of modelled ones.
    [[nodiscard]] static std::uint64_t name_of(const Ring& ring, std::uint64_t request) {
        const std::uint64_t number = ring.queue.number + (real ? max_rings : 0);
        return number << 32 | (request & 0xffffffff);
    }
};
using RingWorld = DiskWorld<false, device::DiskDrive, layout::ring_policy_memory>;
using RealWorld = DiskWorld<true, RealDrive, layout::real_policy_memory>;

} // namespace bulkhead::hv
