// credit_sampled: it must stay as vulnerable as it says, for it is the yardstick of the attack experiments.
#include "tests/policy/machines.hpp"

#include <gtest/gtest.h>

namespace bulkhead::policy_test {
namespace {

class CreditSampled : public testing::Test {
  protected:
    Machine machine_{scheduler("credit_sampled"), realistic()};
};

TEST_F(CreditSampled, TickDodgerTakesNearlyEverything) {
    const auto attacker = machine_.add_domain(256, 0, dodger());
    const auto victim = machine_.add_domain(256, 0, hogs(1));
    machine_.run_for(milliseconds(1'000));
    EXPECT_GE(machine_.share(attacker), 0.85);
    machine_.run_for(milliseconds(1'000));
    EXPECT_GE(machine_.share(attacker), 0.85);
    EXPECT_LE(machine_.share(victim), 0.15);
}

TEST_F(CreditSampled, TickDodgerTakesAsMuchFromThreeVictims) {
    const auto attacker = machine_.add_domain(256, 0, dodger());
    for (int i = 0; i < 3; ++i)
        machine_.add_domain(256, 0, hogs(1));
    machine_.run_for(milliseconds(2'000));
    EXPECT_GE(machine_.share(attacker), 0.85);
}

TEST_F(CreditSampled, HonestHogsShareByWeight) {
    const auto one_part = machine_.add_domain(256, 0, hogs(1));
    const auto two_parts = machine_.add_domain(512, 0, hogs(1));
    const auto four_parts = machine_.add_domain(1'024, 0, hogs(1));
    machine_.run_for(milliseconds(10'000));
    EXPECT_NEAR(machine_.share(one_part), 1.0 / 7, 0.03);
    EXPECT_NEAR(machine_.share(two_parts), 2.0 / 7, 0.03);
    EXPECT_NEAR(machine_.share(four_parts), 4.0 / 7, 0.03);
}

TEST_F(CreditSampled, WokenVcpuIsBoostedNextToAHog) {
    machine_.add_domain(256, 0, hogs(1));
    const auto light =
        machine_.add_domain(256, 0, one<Periodic>(milliseconds(1), microseconds(50), microseconds(500)));
    machine_.run_for(milliseconds(2'000));
    EXPECT_LE(percentile(machine_.of({light, 0}).latencies, 0.5), milliseconds(1));
}

TEST_F(CreditSampled, CapHolds) {
    const auto capped = machine_.add_domain(256, 30, hogs(1));
    machine_.run_for(milliseconds(6'000));
    EXPECT_NEAR(machine_.share(capped), 0.30, 0.05);
}

} // namespace
} // namespace bulkhead::policy_test
