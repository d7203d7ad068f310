// Ring 0 as a world of host/scheduler_host.hpp: what the host of schedulers asks of the hypervisor.
// Everything is called with the run lock held.
#pragma once

#include "host/scheduler_host.hpp"
#include "hv/arch/layout.hpp"
#include "hv/arch/pcpu.hpp"
#include "hv/base/machine.hpp"
#include "hv/dispatch/dispatch.hpp"
#include "hv/domain/domain.hpp"
#include "hv/domain/vcpu_slots.hpp"
#include "hv/plugin/guard.hpp"
#include "hv/plugin/loader.hpp"
#include "hv/plugin/random.hpp"
#include "hv/trace/landmark.hpp"
#include "hv/trace/trace.hpp"

namespace bulkhead::hv {

struct SchedulerWorld {
    using Plugin = LoadedPlugin;
    using Vcpu = hv::Vcpu;
    using Domain = hv::Domain;
    using Pcpu = hv::Pcpu;

    [[nodiscard]] static RealTime now() { return machine::now(); }
    [[nodiscard]] static std::uint64_t random() { return next_random(); }
    static void note(std::uint64_t code, std::uint64_t value) {
        trace_event(trace::Event::policy_note, code, value);
    }
    static void kick(PcpuId id) {
        if (id.value() < hv::pcpu_count())
            hv::request_dispatch(id);
        else
            hv::pcpu().guard.fault = plugin::Fault::wrong_answer;
    }
    [[nodiscard]] static std::uint32_t policy_pcpus() { return hv::pcpu_count(); }
    [[nodiscard]] static bool back_page(std::uint64_t address);
    [[nodiscard]] static std::uint64_t region(std::uint32_t set, std::uint32_t number) {
        return layout::policy_memory + (set * regions_of_set + number) * host::region_bytes;
    }
    template<class Return, class... Formal, class... Actual>
    [[nodiscard, gnu::always_inline]] static inline host::Outcome<Return>
    call(const LoadedPlugin& plugin, Nanos budget, sched::Hook, RealTime start, Return (*function)(Formal...),
         Actual&&... actual) {
        return guarded(plugin.text, budget, start, function, actual...);
    }
    [[nodiscard]] static landmark::PolicyReport& report() { return landmark_page().policies[0]; }
    static void count(sched::Hook, Nanos took) { host::count_hook(report(), took); }
    [[nodiscard]] static LoadedPlugin fallback() { return {&host::fallback_scheduler(), {}}; }
    [[nodiscard]] static bool is_built_in(const LoadedPlugin& plugin) { return plugin.text.end == 0; }
    static void changes(const LoadedPlugin*, const LoadedPlugin&) {}
    static void serves(std::uint16_t) {} // a loop over services is found by the clock
    static void takes_over(const LoadedPlugin& plugin);
    static void ejected(sched::Hook hook, plugin::Fault fault, RealTime at, const char* why);
    [[noreturn]] static void give_up(const char* why) { machine::panic(why); }

    [[nodiscard]] static std::uint32_t pcpu_count() { return hv::pcpu_count(); }
    [[nodiscard]] static Pcpu& pcpu(PcpuId id) { return hv::pcpu(id); }
    [[nodiscard]] static Vcpu* vcpu_in_slot(std::uint32_t slot) { return hv::vcpu_in_slot(slot); }
    template<class Visit>
    static void for_each_vcpu(const Domain& domain, Visit visit) {
        for (std::uint32_t i = 0; i < domain.vcpu_count; ++i)
            if (domain.vcpus[i] != nullptr)
                visit(*domain.vcpus[i]);
    }
    [[nodiscard]] static std::uint32_t running_vcpus() {
        std::uint32_t running = 0;
        for (std::uint32_t i = 0; i < hv::pcpu_count(); ++i)
            running += hv::pcpu(PcpuId{static_cast<std::uint16_t>(i)}).current != nullptr ? 1 : 0;
        return running;
    }
    static void request_dispatch(PcpuId id) { hv::request_dispatch(id); }
    [[nodiscard]] static bool is_asked(PcpuId id) { return hv::pcpu(id).need_dispatch; }
    static void forget(void*, std::uint32_t) {} // stays mapped until another vCPU has the slot

  private:
    static constexpr std::uint64_t regions_of_set = host::SchedulerKind::pools + 1;
};

} // namespace bulkhead::hv
