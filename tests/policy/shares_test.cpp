// Every policy that shares by weight: shares as its file states them, whatever the guests do and however many
// vCPUs they bring.
#include "tests/policy/machines.hpp"

#include <gtest/gtest.h>
#include <map>
#include <random>

namespace bulkhead::policy_test {
namespace {

std::string policy_name(const testing::TestParamInfo<const char*>& info) { return info.param; }

class Shares : public testing::TestWithParam<const char*> {
  protected:
    Machine machine_{scheduler(GetParam()), realistic()};
};

TEST_P(Shares, FollowWeightsWithinFourPerCentOverOneSecond) {
    std::vector<std::uint16_t> domains;
    for (std::uint32_t weight : {128U, 256U, 512U, 1024U})
        domains.push_back(machine_.add_domain(weight, 0, hogs(1)));
    machine_.run_for(milliseconds(1'000));
    for (std::size_t i = 0; i < domains.size(); ++i)
        EXPECT_NEAR(machine_.share(domains[i]) * 15.0 / (1 << i), 1.0, 0.04) << "weight " << (128 << i);
}

TEST_P(Shares, FollowWeightsOnTwoPcpus) {
    Machine machine{scheduler(GetParam()), realistic(2)};
    std::vector<std::uint16_t> domains;
    for (std::uint32_t weight : {128U, 256U, 512U, 1024U})
        domains.push_back(machine.add_domain(weight, 0, hogs(3)));
    machine.run_for(milliseconds(1'000));
    for (std::size_t i = 0; i < domains.size(); ++i)
        EXPECT_NEAR(machine.share(domains[i]) * 15.0 / (1 << i), 1.0, 0.04) << "weight " << (128 << i);
}

// Two pinned to one pCPU cannot have more than halves of it. Whoever they can never catch up with does not
// shorten their turns.
TEST_P(Shares, ArePartsOfThePcpuThatPinnedDomainsMayUse) {
    Machine machine{scheduler(GetParam()), realistic(2)};
    const auto first = machine.add_domain(256, 0, hogs(1), 1),
               second = machine.add_domain(256, 0, hogs(1), 1);
    const auto free = machine.add_domain(256, 0, hogs(1));
    machine.run_for(milliseconds(1'000));
    EXPECT_NEAR(machine.share(first), 0.25, 0.25 * 0.03);
    EXPECT_NEAR(machine.share(second), 0.25, 0.25 * 0.03);
    EXPECT_NEAR(machine.share(free), 0.5, 0.5 * 0.03);
    EXPECT_LT(machine.switches(), 2'000U);
}

// A weight above what one vCPU can use.
TEST_P(Shares, OfADomainWithOneVcpuAreAtMostOnePcpu) {
    Machine machine{scheduler(GetParam()), realistic(4)};
    const auto heavy = machine.add_domain(8'192, 0, hogs(1));
    const auto first = machine.add_domain(256, 0, hogs(4)), second = machine.add_domain(256, 0, hogs(4));
    machine.run_for(milliseconds(1'000));
    EXPECT_GT(machine.share(heavy) * 4, 0.99);
    EXPECT_NEAR(machine.share(first) * 4, 1.5, 1.5 * 0.03);
    EXPECT_NEAR(machine.share(second) * 4, 1.5, 1.5 * 0.03);
}

// Domains of any weight come one after another, one of them goes again; whoever is left shares by weight.
TEST_P(Shares, FollowRandomWeightsWhoeverComesAndGoes) {
    for (std::uint64_t seed = 1; seed <= 12; ++seed) {
        std::mt19937_64 random{seed};
        const auto draw = [&](int least, int most) {
            return std::uniform_int_distribution<int>{least, most}(random);
        };
        const auto pcpus = static_cast<std::uint32_t>(draw(1, 3));
        Machine machine{scheduler(GetParam()), realistic(pcpus)};
        std::vector<std::pair<std::uint16_t, double>> domains;
        double weights = 0;
        for (int left = draw(3, 6); left > 0; --left) {
            // Twice as many vCPUs as pCPUs: every domain can use what its weight gives it.
            const int weight = draw(128, 384);
            domains.emplace_back(
                machine.add_domain(static_cast<std::uint32_t>(weight), 0, hogs(static_cast<int>(pcpus) * 2)),
                weight);
            weights += weight;
            machine.run_for(microseconds(draw(1, 60'000)));
        }
        const auto gone = domains.begin() + draw(0, static_cast<int>(domains.size()) - 1);
        machine.destroy_domain(gone->first);
        weights -= gone->second;
        domains.erase(gone);
        machine.run_for(milliseconds(100));
        std::map<std::uint16_t, Nanos> before;
        for (const auto& [domain, weight] : domains)
            before[domain] = machine.ran(domain);
        machine.run_for(milliseconds(1'500));
        for (const auto& [domain, weight] : domains) {
            const double due = 1.5e9 * pcpus * weight / weights;
            EXPECT_NEAR(static_cast<double>((machine.ran(domain) - before[domain]).count()), due, 0.04 * due)
                << "seed " << seed << ", domain " << domain << " of weight " << weight;
        }
    }
}

TEST_P(Shares, DoNotDependOnTheNumberOfVcpus) {
    for (int vcpus : {1, 2, 4, 8, 16}) {
        Machine machine{scheduler(GetParam()), realistic()};
        const auto many = machine.add_domain(256, 0, hogs(vcpus));
        const auto one_hog = machine.add_domain(256, 0, hogs(1));
        machine.run_for(milliseconds(2'000));
        EXPECT_NEAR(machine.share(many), 0.5, 0.01) << vcpus << " vCPUs";
        EXPECT_NEAR(machine.share(one_hog), 0.5, 0.01) << vcpus << " vCPUs";
    }
}

TEST_P(Shares, OfADomainsVcpusAreEqual) {
    const auto many = machine_.add_domain(256, 0, hogs(8));
    machine_.add_domain(256, 0, hogs(1));
    machine_.run_for(milliseconds(2'000));
    for (std::uint16_t i = 0; i < 8; ++i)
        EXPECT_NEAR(static_cast<double>(machine_.of({many, i}).ran.count()), 125e6, 25e6) << "vCPU " << i;
}

TEST_P(Shares, TickDodgerGetsItsHalfAndNoMore) {
    const auto attacker = machine_.add_domain(256, 0, dodger());
    const auto victim = machine_.add_domain(256, 0, hogs(1));
    machine_.run_for(milliseconds(2'000));
    EXPECT_LE(machine_.share(attacker), 0.51);
    EXPECT_GE(machine_.share(victim), 0.49);
}

TEST_P(Shares, OfAWeightThatOneVcpuCannotUseAreLeftToTheOthers) {
    Machine machine{scheduler(GetParam()), realistic(2)};
    const auto huge = machine.add_domain(10'000, 0, hogs(1));
    const auto first = machine.add_domain(256, 0, hogs(1));
    const auto second = machine.add_domain(256, 0, hogs(1));
    machine.run_for(milliseconds(2'000));
    EXPECT_NEAR(machine.share(huge), 0.5, 0.01);
    EXPECT_NEAR(machine.share(first), 0.25, 0.02);
    EXPECT_NEAR(machine.share(second), 0.25, 0.02);
    const auto late =
        machine.add_domain(256, 0, hogs(1)); // must not find the others in its debt, nor be in theirs
    machine.run_for(milliseconds(2'000));
    EXPECT_NEAR(static_cast<double>(machine.ran(late).count()), 2e9 / 3, 40e6);
}

TEST_P(Shares, FollowAChangedWeight) {
    const auto first = machine_.add_domain(256, 0, hogs(1));
    const auto second = machine_.add_domain(256, 0, hogs(1));
    machine_.run_for(milliseconds(500));
    machine_.set_share(first, 768, 0);
    const Nanos before = machine_.ran(first);
    machine_.run_for(milliseconds(1'000));
    EXPECT_NEAR(static_cast<double>((machine_.ran(first) - before).count()), 750e6, 20e6);
    EXPECT_GT(machine_.ran(second), milliseconds(450));
}

TEST_P(Shares, SleepIsNoBank) {
    const auto hog = machine_.add_domain(256, 0, hogs(1));
    const auto sleeper = machine_.add_domain(256, 0, hogs(1));
    machine_.run_for(milliseconds(10));
    machine_.pause({sleeper, 0});
    machine_.run_for(milliseconds(1'000));
    const Nanos before = machine_.ran(hog);
    machine_.unpause({sleeper, 0});
    machine_.run_for(milliseconds(100));
    EXPECT_GE(machine_.ran(hog) - before, milliseconds(40)); // its half but for 10 ms
}

TEST_P(Shares, YieldStormCostsTheVictimNothing) {
    machine_.add_domain(256, 0, one<YieldStorm>(microseconds(20)));
    const auto victim = machine_.add_domain(256, 0, hogs(1));
    machine_.run_for(milliseconds(1'000));
    EXPECT_GE(machine_.share(victim), 0.5 * 0.99);
}

TEST_P(Shares, WakeStormCostsTheVictimNothing) {
    machine_.add_domain(256, 0, one<Periodic>(microseconds(60), microseconds(10)));
    const auto victim = machine_.add_domain(256, 0, hogs(1));
    machine_.run_for(milliseconds(1'000));
    EXPECT_GE(machine_.share(victim), 0.5 * 0.99);
    EXPECT_LE(machine_.of({victim, 0}).preempted, 2'100U);
}

// Many vCPUs of a domain that is far within its share are due at one instant, while a task preempts for a
// moment. A hog with one vCPU cannot make up for what it loses to the second of them at once.
TEST_P(Shares, OfASingleVcpuAreNotTakenByACrowdThatHasAPcpu) {
    for (const std::uint32_t pcpus : {2U, 4U}) {
        Machine machine{scheduler(GetParam()), realistic(pcpus)};
        const auto victim = machine.add_domain(256, 0, hogs(1));
        machine.add_domain(256, 0, one<Periodic>(milliseconds(1), microseconds(10)));
        std::vector<std::unique_ptr<Behaviour>> crowd;
        for (int i = 0; i < 32; ++i)
            crowd.push_back(
                std::make_unique<Periodic>(milliseconds(10), microseconds(25), microseconds(8 * i)));
        machine.add_domain(256, 0, std::move(crowd));
        machine.run_for(milliseconds(1'000));
        EXPECT_GE(machine.share(victim) * pcpus, 0.98) << pcpus << " pCPUs";
    }
}

// A least slice of 50 us at a share of 1 in 65,536 takes 3.28 s. An earlier turn would be more than the
// share.
TEST_P(Shares, OfTheSmallestWeightComeAsOftenAsTheyAllow) {
    const auto small = machine_.add_domain(1, 0, hogs(1));
    machine_.add_domain(65'535, 0, hogs(1));
    machine_.run_for(milliseconds(100));
    const Nanos before = machine_.ran(small);
    machine_.run_for(milliseconds(20'000));
    EXPECT_LE(machine_.longest_wait({small, 0}), milliseconds(3'300));
    EXPECT_GE(machine_.ran(small) - before, microseconds(250));
    EXPECT_LE(machine_.ran(small) - before, microseconds(400));
}

// Protection from starvation is for domains: their vCPUs bring no more of it.
TEST_P(Shares, OfALightDomainDoNotGrowWithItsHogs) {
    for (const std::uint32_t pcpus : {1U, 2U}) {
        Machine machine{scheduler(GetParam()), realistic(pcpus)};
        const auto light = machine.add_domain(20, 0, hogs(32));
        const auto heavy = machine.add_domain(1'000, 0, hogs(4));
        machine.run_for(milliseconds(10'000));
        EXPECT_NEAR(machine.share(light), 20.0 / 1'020, 0.002) << pcpus << " pCPUs";
        EXPECT_NEAR(machine.share(heavy), 1'000.0 / 1'020, 0.01) << pcpus << " pCPUs";
        for (const VcpuKey& key : machine.vcpus())
            EXPECT_LE(machine.longest_wait(key), milliseconds(key.first == light ? 9'000 : 1'100))
                << name_of(key);
    }
}

TEST_P(Shares, OfManyTinyWeightsStaySmallTogether) {
    for (const int vcpus : {1, 32}) {
        Machine machine{scheduler(GetParam()), realistic()};
        const auto heavy = machine.add_domain(1'000, 0, hogs(1));
        for (int i = 0; i < 8; ++i)
            machine.add_domain(1, 0, hogs(vcpus));
        machine.run_for(milliseconds(10'000));
        EXPECT_NEAR(machine.share(heavy), 1'000.0 / 1'008, 0.005) << vcpus << " vCPUs";
        for (std::uint16_t domain = 2; domain <= 9; ++domain)
            EXPECT_NEAR(machine.share(domain), 1.0 / 1'008, 0.001) << vcpus << " vCPUs";
    }
}

INSTANTIATE_TEST_SUITE_P(Proportional, Shares, testing::Values("bvt", "credit", "credit2", "eevdf", "stride"),
                         policy_name);

// Those that promise to start a mostly idle vCPU at once. A switch costs 2 us in this machine; what is above
// that is the scheduler's doing.
class Latency : public testing::TestWithParam<const char*> {
  protected:
    static constexpr std::size_t settled = 100; // wakes after which start-up is over

    std::uint16_t add_light() {
        return machine_.add_domain(256, 0,
                                   one<Periodic>(milliseconds(1), microseconds(50), microseconds(137)));
    }
    void expect_prompt(std::uint16_t light, Nanos p99, Nanos most) {
        const auto& latencies = machine_.of({light, 0}).latencies;
        ASSERT_GT(latencies.size(), 1'900U);
        EXPECT_LE(percentile(latencies, 0.99), p99);
        EXPECT_LE(percentile({latencies.begin() + settled, latencies.end()}, 1.0), most);
    }
    Machine machine_{scheduler(GetParam()), realistic()};
};

TEST_P(Latency, IsShortNextToHogs) {
    int count = 0;
    for (int hog_count : {0, 1, 2, 4, 8, 16}) {
        for (; count < hog_count; ++count)
            machine_.add_domain(256, 0, hogs(1));
        const auto light = add_light();
        machine_.run_for(milliseconds(2'000));
        expect_prompt(light, microseconds(20), microseconds(60));
        machine_.destroy_domain(light);
    }
}

TEST_P(Latency, IsShortNextToADodger) {
    machine_.add_domain(256, 0, dodger());
    const auto light = add_light();
    machine_.run_for(milliseconds(2'000));
    expect_prompt(light, microseconds(20), microseconds(60));
}

TEST_P(Latency, IsShortNextToAYieldStorm) {
    machine_.add_domain(256, 0, one<YieldStorm>(microseconds(20)));
    machine_.add_domain(256, 0, hogs(1));
    const auto light = add_light();
    machine_.run_for(milliseconds(2'000));
    expect_prompt(light, microseconds(20), microseconds(60));
}

TEST_P(Latency, IsShortNextToAWakeStorm) {
    machine_.add_domain(256, 0, one<Periodic>(microseconds(60), microseconds(10)));
    machine_.add_domain(256, 0, hogs(1));
    const auto light = add_light();
    machine_.run_for(milliseconds(2'000));
    expect_prompt(light, microseconds(20), microseconds(60));
}

class LatencyInCompany : public Latency {};

TEST_P(LatencyInCompany, IsShortNextToAllOfThem) {
    machine_.add_domain(256, 0, dodger());
    machine_.add_domain(256, 0, one<YieldStorm>(microseconds(20)));
    machine_.add_domain(256, 0, one<Periodic>(microseconds(60), microseconds(10)));
    machine_.add_domain(256, 0, one<RandomSleeper>(std::uint64_t{3}, milliseconds(1), milliseconds(2)));
    const auto light = add_light();
    machine_.run_for(milliseconds(2'000));
    expect_prompt(light, microseconds(20), microseconds(60));
}

// Those that are within their share wait for each other in turns of a grace, and for no hog.
class WaitInACrowd : public Latency {};

TEST_P(WaitInACrowd, IsNoLongerThanWhatTheCrowdHasToDo) {
    machine_.add_domain(256, 0, hogs(1));
    const auto light = machine_.add_domain(256, 0, one<Periodic>(milliseconds(2), microseconds(120)));
    for (int i = 0; i < 4; ++i) {
        std::vector<std::unique_ptr<Behaviour>> crowd;
        for (int j = 0; j < 8; ++j)
            crowd.push_back(std::make_unique<Periodic>(milliseconds(10), microseconds(40)));
        machine_.add_domain(256, 0, std::move(crowd));
    }
    machine_.run_for(milliseconds(2'000));
    EXPECT_LE(machine_.of({light, 0}).longest_wait, microseconds(4 * 8 * (40 + 2) + 60));
}

INSTANTIATE_TEST_SUITE_P(Prompt, WaitInACrowd, testing::Values("credit"), policy_name);
INSTANTIATE_TEST_SUITE_P(Prompt, LatencyInCompany, testing::Values("credit2"), policy_name);
INSTANTIATE_TEST_SUITE_P(Prompt, Latency, testing::Values("bvt", "credit", "credit2"), policy_name);

} // namespace
} // namespace bulkhead::policy_test
