// credit: what its file promises in numbers. Shares by weight whatever a guest does, and latency next to
// hogs.
#include "tests/policy/machines.hpp"

#include <gtest/gtest.h>

namespace bulkhead::policy_test {
namespace {

class Credit : public testing::Test {
  protected:
    Machine machine_{scheduler("credit"), realistic()};
};

TEST_F(Credit, SharesFollowWeightsWithinFourPerCentOverOneSecond) {
    std::vector<std::uint16_t> domains;
    for (std::uint32_t weight : {128U, 256U, 512U, 1024U})
        domains.push_back(machine_.add_domain(weight, 0, hogs(1)));
    machine_.run_for(milliseconds(1'000));
    for (std::size_t i = 0; i < domains.size(); ++i) {
        const double ideal = static_cast<double>(1 << i) / 15.0;
        EXPECT_NEAR(machine_.share(domains[i]) / ideal, 1.0, 0.04) << "weight " << (128 << i);
    }
}

TEST_F(Credit, TickDodgerGetsItsHalfAndNoMore) {
    const auto attacker = machine_.add_domain(256, 0, dodger());
    const auto victim = machine_.add_domain(256, 0, hogs(1));
    machine_.run_for(milliseconds(1'000));
    EXPECT_NEAR(machine_.share(attacker), 0.5, 0.01);
    machine_.run_for(milliseconds(1'000));
    EXPECT_NEAR(machine_.share(attacker), 0.5, 0.01);
    EXPECT_NEAR(machine_.share(victim), 0.5, 0.01);
}

TEST_F(Credit, ShareDoesNotGrowWithTheNumberOfVcpus) {
    const auto many = machine_.add_domain(256, 0, hogs(8));
    const auto one_hog = machine_.add_domain(256, 0, hogs(1));
    machine_.run_for(milliseconds(2'000));
    EXPECT_NEAR(machine_.share(many), 0.5, 0.01);
    EXPECT_NEAR(machine_.share(one_hog), 0.5, 0.01);
    for (std::uint16_t i = 0; i < 8; ++i)
        EXPECT_NEAR(static_cast<double>(machine_.of({many, i}).ran.count()), 125e6, 25e6) << "vCPU " << i;
}

TEST_F(Credit, WhatALightDomainLeavesIsSharedByWeight) {
    const auto light = machine_.add_domain(1024, 0, one<Periodic>(milliseconds(1), microseconds(50)));
    const auto small = machine_.add_domain(128, 0, hogs(1));
    const auto large = machine_.add_domain(384, 0, hogs(1));
    machine_.run_for(milliseconds(2'000));
    EXPECT_NEAR(machine_.share(light), 0.05, 0.002);
    EXPECT_NEAR(machine_.share(large) / machine_.share(small), 3.0, 0.1);
    EXPECT_GT(machine_.share(light) + machine_.share(small) + machine_.share(large), 0.98);
}

TEST_F(Credit, WeightChangesTakeEffectWithinARound) {
    const auto first = machine_.add_domain(256, 0, hogs(1));
    const auto second = machine_.add_domain(256, 0, hogs(1));
    machine_.run_for(milliseconds(500));
    machine_.set_share(first, 768, 0);
    const Nanos before = machine_.ran(first);
    machine_.run_for(milliseconds(1'000));
    EXPECT_NEAR(static_cast<double>((machine_.ran(first) - before).count()), 750e6, 15e6);
    EXPECT_GT(machine_.ran(second), milliseconds(450));
}

// The switch costs 2 us in this machine; what is above that is the scheduler's doing.
class CreditLatency : public testing::TestWithParam<int> {};

TEST_P(CreditLatency, MostlyIdleVcpuStartsAtOnceNextToHogs) {
    Machine machine{scheduler("credit"), realistic()};
    for (int i = 0; i < GetParam(); ++i)
        machine.add_domain(256, 0, hogs(1));
    const auto light =
        machine.add_domain(256, 0, one<Periodic>(milliseconds(1), microseconds(50), microseconds(137)));
    machine.run_for(milliseconds(2'000));
    const auto& latencies = machine.of({light, 0}).latencies;
    ASSERT_GT(latencies.size(), 1'900U);
    EXPECT_LE(percentile(latencies, 0.99), microseconds(20));
    EXPECT_LE(percentile({latencies.begin() + 100, latencies.end()}, 1.0), microseconds(60));
}
INSTANTIATE_TEST_SUITE_P(Hogs, CreditLatency, testing::Values(1, 2, 4, 8, 16));

TEST_F(Credit, LatencySurvivesDodgersAndStorms) {
    machine_.add_domain(256, 0, dodger());
    machine_.add_domain(256, 0, one<YieldStorm>(microseconds(20)));
    machine_.add_domain(256, 0, one<Periodic>(microseconds(60), microseconds(10))); // wakes without end
    const auto light =
        machine_.add_domain(256, 0, one<Periodic>(milliseconds(1), microseconds(50), microseconds(137)));
    machine_.run_for(milliseconds(2'000));
    const auto& latencies = machine_.of({light, 0}).latencies;
    ASSERT_GT(latencies.size(), 1'900U);
    EXPECT_LE(percentile(latencies, 0.99), microseconds(60));
    EXPECT_LE(percentile({latencies.begin() + 100, latencies.end()}, 1.0), microseconds(120));
}

TEST_F(Credit, WakeStormPreemptsNoOftenerThanTheRateLimit) {
    machine_.add_domain(256, 0, one<Periodic>(microseconds(60), microseconds(10)));
    const auto victim = machine_.add_domain(256, 0, hogs(1));
    machine_.run_for(milliseconds(1'000));
    // Twice: by the storm's paid preemptions, and by its waiting wakes, each at most once per millisecond.
    EXPECT_LE(machine_.of({victim, 0}).preempted, 2'100U);
    EXPECT_GE(machine_.share(victim), 0.5 * 0.99);
}

TEST_F(Credit, YieldStormCostsTheVictimNothing) {
    machine_.add_domain(256, 0, one<YieldStorm>(microseconds(20)));
    const auto victim = machine_.add_domain(256, 0, hogs(1));
    machine_.run_for(milliseconds(1'000));
    EXPECT_GE(machine_.share(victim), 0.5 * 0.99);
}

TEST_F(Credit, DomainsThatSleepDoNotShortenTheRounds) {
    for (int i = 0; i < 40; ++i)
        machine_.add_domain(256, 0, one<Periodic>(milliseconds(3'600'000), microseconds(10)));
    machine_.add_domain(256, 0, hogs(1));
    machine_.add_domain(256, 0, hogs(1));
    machine_.run_for(milliseconds(100));
    const auto before = machine_.switches();
    machine_.run_for(milliseconds(1'000));
    EXPECT_LE(machine_.switches() - before, 300U); // two in each round of 10 ms, and some for early timers
}

TEST(CreditOnTwoPcpus, SharesFollowFeasibleWeights) {
    Machine machine{scheduler("credit"), realistic(2)};
    const auto small = machine.add_domain(256, 0, hogs(2));
    const auto large = machine.add_domain(768, 0, hogs(2));
    machine.run_for(milliseconds(2'000));
    EXPECT_NEAR(machine.share(large) / machine.share(small), 3.0, 0.15);
}

TEST(CreditOnTwoPcpus, ThreeEqualHogsShareTwoPcpusEqually) {
    Machine machine{scheduler("credit"), realistic(2)};
    for (int i = 0; i < 3; ++i)
        machine.add_domain(256, 0, hogs(1));
    machine.run_for(milliseconds(2'000));
    for (std::uint16_t domain = 1; domain <= 3; ++domain)
        EXPECT_NEAR(machine.share(domain), 1.0 / 3.0, 0.015);
}

TEST(CreditOnTwoPcpus, AWeightThatOneVcpuCannotUseIsLeftToTheOthers) {
    Machine machine{scheduler("credit"), realistic(2)};
    const auto huge = machine.add_domain(10'000, 0, hogs(1));
    const auto first = machine.add_domain(256, 0, hogs(1));
    const auto second = machine.add_domain(256, 0, hogs(1));
    machine.run_for(milliseconds(2'000));
    EXPECT_NEAR(machine.share(huge), 0.5, 0.01);
    EXPECT_NEAR(machine.share(first), 0.25, 0.02);
    EXPECT_NEAR(machine.share(second), 0.25, 0.02);
}

// The machine has one round: a pCPU that begins one refills those who run elsewhere, whose turns must end all
// the same.
TEST(CreditOnTwoPcpus, WhoSharesOnePcpuIsNotForgottenWhateverTheOtherDoes) {
    for (int phase = 0; phase < 10; ++phase) {
        Machine machine{scheduler("credit"), realistic(2)};
        const auto first = machine.add_domain(256, 0, hogs(1), 0b10);
        machine.run_for(microseconds(4'000 + phase * 333));
        const auto second = machine.add_domain(256, 0, hogs(1), 0b10);
        machine.add_domain(256, 0, hogs(1), 0b01);
        machine.run_for(milliseconds(300));
        EXPECT_GT(machine.of({first, 0}).ran, milliseconds(75)) << "phase " << phase;
        EXPECT_GT(machine.of({second, 0}).ran, milliseconds(75)) << "phase " << phase;
    }
}

} // namespace
} // namespace bulkhead::policy_test
