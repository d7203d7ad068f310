// Ring 0 as a world of host/memory_host.hpp: what the host of memory policies asks of the hypervisor.
// Everything is called with the lock of memory_policy.cpp held.
#pragma once

#include "host/draws.hpp"
#include "host/memory_host.hpp"
#include "host/random.hpp"
#include "hv/arch/layout.hpp"
#include "hv/domain/domain.hpp"
#include "hv/plugin/policy_world.hpp"

#include <boost/intrusive/parent_from_member.hpp>
#include <span>

namespace bulkhead::hv {

// What the world keeps, in memory_policy.cpp.
struct MemoryGround {
    memctl::Zone zones[max_zones];
    std::uint32_t zone_count;
    std::uint64_t random;
    bool targets_changed;
};

struct MemoryWorld : PolicyWorld<host::MemoryKind, plugin::Kind::memory, host::fallback_memory_policy,
                                 layout::memory_policy_memory, 1> {
    using Domain = Allotment;
    MemoryGround* ground;

    [[nodiscard]] static hv::Domain& owner(Allotment& allotment) {
        return *boost::intrusive::get_parent_from_member(&allotment, &hv::Domain::allotment);
    }

    [[nodiscard]] std::uint64_t random() const { return host::next_random(ground->random); }
    static void kick(PcpuId) { pcpu().guard.fault = plugin::Fault::wrong_answer; } // it has no pCPU
    [[nodiscard]] static std::uint32_t policy_pcpus() { return 0; }

    [[nodiscard]] std::span<memctl::Zone> zones() const { return {ground->zones, ground->zone_count}; }
    // The caller of the hook takes them from the frame table, and returns those by a call of its own.
    void take(Allotment& allotment, memctl::ZoneId zone, memctl::Frames count) const {
        allotment.granted += static_cast<std::uint64_t>(count.count());
        if (ground->zone_count == 1)
            return;
        auto& memory = owner(allotment).memory;
        const auto more = static_cast<std::uint32_t>(count.count());
        allotment.in_zone[zone.value()] += more;
        frame_table().add_due(memory, zone.value(), more);
    }
    [[nodiscard]] memctl::ZoneId give_back(Allotment& allotment) const {
        std::uint16_t zone = 0;
        while (zone + 1U < ground->zone_count && allotment.in_zone[zone] == 0)
            ++zone;
        if (allotment.in_zone[zone] != 0)
            --allotment.in_zone[zone];
        return memctl::ZoneId{zone};
    }
    void target_changes(Allotment& allotment, memctl::Frames target) const {
        trace_event(trace::Event::memory_target, owner(allotment), static_cast<std::uint64_t>(target.count()),
                    static_cast<std::uint64_t>(allotment.memory.has.count()));
        ground->targets_changed = true;
    }
};

} // namespace bulkhead::hv
