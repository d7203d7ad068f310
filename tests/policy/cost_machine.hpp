// The least host that lets a scheduler work with thousands of vCPUs, and counts the steps of its hooks. It
// judges no answer: the other machines do.
#pragma once

#include "sched/contract.hpp"

#include <array>
#include <cstddef>
#include <deque>
#include <random>
#include <span>
#include <vector>

namespace bulkhead::policy_test {

// The schedulers of this build, linked in with their basic blocks counted.
[[nodiscard]] std::vector<const plugin::Descriptor*> counted_policies();

struct CostGuest {
    std::uint32_t vcpus = 1;
    std::uint32_t weight = sched::default_weight;
    std::uint32_t cap = 0;
    std::uint64_t affinity = ~std::uint64_t{0};
    bool reserves = false; // its parameters have values that are not the defaults
};

class CostMachine {
  public:
    using Steps = std::array<std::uint64_t, 9>; // by sched::Hook

    CostMachine(const plugin::Descriptor& policy, std::uint32_t pcpus);

    void add_domain(const CostGuest& guest);
    void remove_all();
    void retune_all(); // half of the domains lose their cap, the others get a new weight
    void pass(Nanos time) { now_ += time; }
    // So many slices come to their end.
    void run(int slices);
    // So many times something at random: a slice ends, a vCPU sleeps, wakes, yields, is preempted or charged.
    void run_eventful(int events);

    // The most steps that one call of each hook took.
    [[nodiscard]] const Steps& worst() const { return worst_; }
    [[nodiscard]] static const char* hook_name(std::size_t hook);

  private:
    struct Core {
        sched::Pcpu* pcpu;
        sched::Vcpu* running = nullptr;
        Nanos slice{};
        bool kicked = false;
    };
    template<class Call>
    void counted(sched::Hook hook, Call call);
    void* memory(std::size_t bytes);
    void wake(sched::Vcpu& vcpu);
    void stop(Core& core, sched::Stop why, Nanos ran);
    void pick(Core& core);
    void settle(); // kicks are carried out, idle pCPUs are asked
    std::size_t draw(std::size_t count);

    const plugin::Descriptor& policy_;
    const sched::Hooks& hooks_;
    plugin::Host host_{};
    std::mt19937_64 random_{1};
    RealTime now_{milliseconds(1).count()};
    std::deque<std::vector<std::max_align_t>> memory_;
    std::vector<Core> cores_;
    std::vector<sched::Domain*> domains_;
    std::vector<sched::Vcpu*> vcpus_, sleepers_;
    void* object_ = nullptr;
    Steps worst_{};
};

} // namespace bulkhead::policy_test
