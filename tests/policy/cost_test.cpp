// What the hooks of each scheduler cost: a hook may take steps in proportion to the pCPUs and to the
// logarithm of the number of vCPUs, never to their number. A step is a basic block of the policy's own code,
// counted by the compiler's instrumentation, so the counts are exact and the same on every computer.
#include "tests/policy/cost_machine.hpp"

#include <algorithm>
#include <gtest/gtest.h>

namespace bulkhead::policy_test {
namespace {

std::string test_name(const testing::TestParamInfo<const plugin::Descriptor*>& info) {
    return info.param->name;
}

// From 1,000 to 10,000 vCPUs, or from the 32 domains to the 313 that they are in, the logarithm grows by 1.3
// to 1.7. A tree may be a little deeper than the logarithm.
constexpr std::uint32_t few = 1'000, many = 10'000;
constexpr double most_growth = 2.0;
constexpr std::uint64_t slack = 60;   // steps, of hooks that are very short
constexpr std::uint64_t most = 5'000; // steps: three fifths of what the budget of 100 us allows

class Costs : public testing::TestWithParam<const plugin::Descriptor*> {
  protected:
    using Scenario = void (*)(CostMachine&, std::uint32_t vcpus);

    static CostMachine::Steps steps(Scenario scenario, std::uint32_t vcpus) {
        CostMachine machine{*GetParam(), 2};
        scenario(machine, vcpus);
        return machine.worst();
    }
    static void expect_little_growth(Scenario scenario) {
        const auto small = steps(scenario, few), large = steps(scenario, many);
        for (std::size_t hook = 0; hook < small.size(); ++hook) {
            const auto grown = static_cast<std::uint64_t>(static_cast<double>(small[hook]) * most_growth);
            EXPECT_LE(large[hook], std::min(grown + slack, most))
                << CostMachine::hook_name(hook) << " took " << small[hook] << " steps with " << few
                << " vCPUs and " << large[hook] << " with " << many;
        }
        RecordProperty("steps_of_few", static_cast<int>(std::ranges::max(small)));
        RecordProperty("steps_of_many", static_cast<int>(std::ranges::max(large)));
    }
};

TEST_P(Costs, OfHogs) {
    expect_little_growth([](CostMachine& machine, std::uint32_t vcpus) {
        for (std::uint32_t i = 0; i < vcpus; i += 32)
            machine.add_domain({.vcpus = 32});
        machine.run(2'000);
        machine.pass(milliseconds(12'000)); // all have waited too long
        machine.run(2'000);
    });
}

TEST_P(Costs, OfDomainsWithOneVcpu) {
    expect_little_growth([](CostMachine& machine, std::uint32_t vcpus) {
        for (std::uint32_t i = 0; i < vcpus; ++i)
            machine.add_domain({.vcpus = 1, .weight = 1 + i % 977});
        machine.run(2'000);
        machine.pass(milliseconds(12'000));
        machine.run(2'000);
    });
}

// Half of them may not use the pCPU that asks.
TEST_P(Costs, OfAffinities) {
    expect_little_growth([](CostMachine& machine, std::uint32_t vcpus) {
        for (std::uint32_t i = 0; i < vcpus; i += 2) {
            machine.add_domain({.vcpus = 1, .affinity = 1});
            machine.add_domain({.vcpus = 1, .affinity = i < 4 ? 2u : 1u});
        }
        machine.run(2'000);
        machine.pass(milliseconds(3'000));
        machine.run(2'000);
    });
}

TEST_P(Costs, OfSleepersYieldsAndKicks) {
    expect_little_growth([](CostMachine& machine, std::uint32_t vcpus) {
        for (std::uint32_t i = 0; i < vcpus; i += 4)
            machine.add_domain({.vcpus = 4, .weight = i % 3 == 0 ? 256u : 32u});
        machine.run_eventful(6'000);
    });
}

TEST_P(Costs, OfCapsAndChangesOfThem) {
    expect_little_growth([](CostMachine& machine, std::uint32_t vcpus) {
        for (std::uint32_t i = 0; i < vcpus; i += 8)
            machine.add_domain({.vcpus = 8, .cap = 1 + i % 5});
        machine.run_eventful(3'000);
        machine.retune_all();
        machine.run_eventful(1'000);
    });
}

// Reservations and slots, as far as the policy has them.
TEST_P(Costs, OfReservations) {
    expect_little_growth([](CostMachine& machine, std::uint32_t vcpus) {
        for (std::uint32_t i = 0; i < vcpus; i += 2)
            machine.add_domain({.vcpus = 2, .reserves = true});
        machine.run(2'000);
        machine.pass(milliseconds(3'000)); // the period of each is over
        machine.run_eventful(3'000);
    });
}

TEST_P(Costs, OfVcpusThatComeAndGo) {
    expect_little_growth([](CostMachine& machine, std::uint32_t vcpus) {
        for (std::uint32_t i = 0; i < vcpus; i += 32)
            machine.add_domain({.vcpus = 32});
        machine.run(200);
        machine.remove_all();
    });
}

INSTANTIATE_TEST_SUITE_P(Schedulers, Costs, testing::ValuesIn(counted_policies()), test_name);

} // namespace
} // namespace bulkhead::policy_test
