// Every policy that promises to honour caps to the letter: a domain gets its cap of one pCPU, no more and, if
// its weight allows, no less.
#include "tests/policy/machines.hpp"

#include <gtest/gtest.h>

namespace bulkhead::policy_test {
namespace {

class Capped : public testing::TestWithParam<const char*> {
  protected:
    Machine machine_{scheduler(GetParam()), realistic()};
    void expect(std::uint16_t domain, std::uint32_t cap, const Machine& machine, std::uint32_t pcpus) const {
        const double part = machine.share(domain) * pcpus * 100;
        EXPECT_NEAR(part, cap, cap / 100.0) << GetParam();
    }
};

TEST_P(Capped, HoldsOnAnIdleMachine) {
    for (const std::uint32_t cap : {1U, 7U, 25U, 50U, 90U, 100U}) {
        Machine machine{scheduler(GetParam()), realistic()};
        const auto capped = machine.add_domain(256, cap, hogs(1));
        machine.run_for(milliseconds(2'000));
        expect(capped, cap, machine, 1);
    }
}

TEST_P(Capped, EndsWhenItIsTakenAway) {
    const auto capped = machine_.add_domain(256, 25, hogs(1));
    machine_.run_for(milliseconds(1'000));
    machine_.set_share(capped, 256, 0);
    const Nanos before = machine_.ran(capped);
    machine_.run_for(milliseconds(500));
    EXPECT_GT(machine_.ran(capped) - before, milliseconds(490));
}

TEST_P(Capped, BeginsWhenItIsSet) {
    const auto capped = machine_.add_domain(256, 0, hogs(1));
    machine_.add_domain(256, 0, hogs(1));
    machine_.run_for(milliseconds(500));
    machine_.set_share(capped, 256, 20);
    const Nanos before = machine_.ran(capped);
    machine_.run_for(milliseconds(1'000));
    EXPECT_NEAR(static_cast<double>((machine_.ran(capped) - before).count()), 200e6, 4e6);
}

TEST_P(Capped, HoldsNextToHogs) {
    const auto capped = machine_.add_domain(1024, 10, hogs(2));
    const auto hog = machine_.add_domain(256, 0, hogs(1)), other = machine_.add_domain(256, 0, hogs(1));
    machine_.run_for(milliseconds(2'000));
    expect(capped, 10, machine_, 1);
    EXPECT_NEAR(machine_.share(hog), 0.45, 0.01);
    EXPECT_NEAR(machine_.share(other), 0.45, 0.01);
}

// What runs while a period ends is paid from both.
TEST_P(Capped, TakesNothingThatAllVcpusTogetherReach) {
    Machine machine{scheduler(GetParam()), realistic(4)};
    const auto capped = machine.add_domain(256, 200, hogs(2)), half = machine.add_domain(256, 150, hogs(2));
    machine.run_for(milliseconds(2'000));
    expect(capped, 200, machine, 4);
    expect(half, 150, machine, 4);
}

TEST_P(Capped, HoldsForManyVcpusOnFewPcpus) {
    Machine machine{scheduler(GetParam()), realistic(2)};
    const auto capped = machine.add_domain(512, 70, hogs(6));
    machine.add_domain(256, 0, hogs(2));
    machine.run_for(milliseconds(2'000));
    expect(capped, 70, machine, 2);
}

// Time under the cap that is left in one period is not added to the next.
TEST_P(Capped, SavesNothing) {
    const auto capped = machine_.add_domain(256, 30, one<Periodic>(milliseconds(100), milliseconds(20)));
    for (int step = 0; step < 200; ++step) {
        const Nanos before = machine_.ran(capped);
        machine_.run_for(milliseconds(30));
        EXPECT_LE(machine_.ran(capped) - before, microseconds(12'120)) << "in parts of four periods";
    }
    EXPECT_NEAR(machine_.share(capped), 0.2, 0.01);
}

TEST_P(Capped, HoldsAStormOfWakes) {
    const auto storm = machine_.add_domain(256, 5, one<Periodic>(microseconds(200), microseconds(100)));
    const auto hog = machine_.add_domain(256, 0, hogs(1));
    machine_.run_for(milliseconds(2'000));
    EXPECT_LE(machine_.share(storm), 0.0505);
    EXPECT_GT(machine_.share(hog), 0.93);
}

INSTANTIATE_TEST_SUITE_P(Exact, Capped, testing::Values("bvt", "credit", "credit2", "eevdf", "stride"),
                         [](const auto& chosen) { return std::string{chosen.param}; });

} // namespace
} // namespace bulkhead::policy_test
