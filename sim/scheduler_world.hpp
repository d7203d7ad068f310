// The simulated machine as a world of host/scheduler_host.hpp: what the host asks of it. Defined in
// accounts.hpp, next to what it touches, for most of a simulated decision's time is spent here.
#pragma once

#include "host/scheduler_host.hpp"
#include "sim/policy.hpp"

namespace bulkhead::sim {

class Machine;
struct Vcpu;
struct Domain;
struct Core;

struct SchedulerWorld {
    using Plugin = Policy;
    using Vcpu = sim::Vcpu;
    using Domain = sim::Domain;
    using Pcpu = sim::Core;

    Machine* machine;

    [[nodiscard]] RealTime now() const;
    [[nodiscard]] std::uint64_t random() const;
    void note(std::uint64_t code, std::uint64_t value) const;
    void kick(PcpuId pcpu) const;
    [[nodiscard]] std::uint32_t policy_pcpus() const { return pcpu_count(); }
    [[nodiscard]] static bool back_page(std::uint64_t) { return true; } // touching it is enough
    [[nodiscard]] std::uint64_t region(std::uint32_t set, std::uint32_t number) const;
    template<class Return, class... Formal, class... Actual>
    [[nodiscard]] host::Outcome<Return> call(const Policy& policy, Nanos budget, sched::Hook hook,
                                             RealTime start, Return (*function)(Formal...),
                                             Actual&&... actual) const;
    [[nodiscard]] landmark::PolicyReport& report() const;
    void count(sched::Hook hook, Nanos took) const;
    [[nodiscard]] static Policy fallback() { return {&host::fallback_scheduler(), nullptr, {}}; }
    [[nodiscard]] static bool is_built_in(const Policy& policy) {
        return policy.descriptor == &host::fallback_scheduler();
    }
    void changes(const Policy* from, const Policy& to) const;
    void serves(std::uint16_t work) const;
    void takes_over(const Policy& policy) const;
    void ejected(sched::Hook hook, plugin::Fault fault, RealTime at, const char* why) const;
    [[noreturn]] static void give_up(const char* why) { throw std::logic_error{why}; }

    [[nodiscard]] std::uint32_t pcpu_count() const;
    [[nodiscard]] Core& pcpu(PcpuId id) const;
    [[nodiscard]] Vcpu* vcpu_in_slot(std::uint32_t slot) const;
    template<class Visit>
    static void for_each_vcpu(const Domain& domain, Visit visit);
    void request_dispatch(PcpuId pcpu) const;
    [[nodiscard]] bool is_asked(PcpuId pcpu) const;
    // A policy that still uses the object will see rubbish.
    static void forget(void* object, std::uint32_t bytes) {
        std::memset(object, 0xdd, bytes);
        host::forbid(reinterpret_cast<std::uint64_t>(object), bytes);
    }
};

} // namespace bulkhead::sim
