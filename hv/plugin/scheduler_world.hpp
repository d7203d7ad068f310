// Ring 0 as a world of host/scheduler_host.hpp: what the host of schedulers asks of the hypervisor.
// Everything is called with the run lock held.
#pragma once

#include "host/scheduler_host.hpp"
#include "hv/arch/layout.hpp"
#include "hv/arch/pcpu.hpp"
#include "hv/dispatch/dispatch.hpp"
#include "hv/domain/domain.hpp"
#include "hv/domain/vcpu_slots.hpp"
#include "hv/plugin/policy_world.hpp"
#include "hv/plugin/random.hpp"

namespace bulkhead::hv {

struct SchedulerWorld : PolicyWorld<host::SchedulerKind, plugin::Kind::scheduler, host::fallback_scheduler,
                                    layout::policy_memory, 0> {
    using Vcpu = hv::Vcpu;
    using Domain = hv::Domain;
    using Pcpu = hv::Pcpu;

    [[nodiscard]] static std::uint64_t random() { return next_random(); }
    static void kick(PcpuId id) {
        if (id.value() < hv::pcpu_count()) {
            hv::pcpu(id).sched.until = RealTime{};
            hv::request_dispatch(id);
        } else {
            hv::pcpu().guard.fault = plugin::Fault::wrong_answer;
        }
    }
    [[nodiscard]] static std::uint32_t policy_pcpus() { return hv::pcpu_count(); }

    [[nodiscard]] static std::uint32_t pcpu_count() { return hv::pcpu_count(); }
    [[nodiscard]] static Pcpu& pcpu(PcpuId id) { return hv::pcpu(id); }
    [[nodiscard]] static Vcpu* vcpu_in_slot(std::uint32_t slot) { return hv::vcpu_in_slot(slot); }
    template<class Visit>
    static void for_each_vcpu(const Domain& domain, Visit visit) {
        for (std::uint32_t i = 0; i < domain.vcpu_count; ++i)
            if (domain.vcpus[i] != nullptr)
                visit(*domain.vcpus[i]);
    }
    static void request_dispatch(PcpuId id) { hv::request_dispatch(id); }
    [[nodiscard]] static bool is_asked(PcpuId id) { return hv::pcpu(id).has(work::dispatch); }
};
static_assert(SchedulerWorld::end_of_memory <= layout::memory_policy_memory);

} // namespace bulkhead::hv
