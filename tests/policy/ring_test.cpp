// What must hold for every ring policy, whatever guests do: the host throws Misconduct on any wrong answer,
// and here it is driven at random. No request is lost or served twice, and the device does not idle where
// that is promised.
#include "host/fallbacks.hpp"
#include "tests/policy/traffic.hpp"

#include <gmock/gmock.h>

namespace bulkhead::policy_test {
namespace {

constexpr auto kind = plugin::Kind::ring;

class RingProperties : public testing::TestWithParam<std::filesystem::path> {};

// Guests come, ask in bursts, are re-weighted and go; policies are swapped if there are `successors`.
class Scene {
  public:
    Scene(sim::Policy policy, std::uint64_t seed)
        : chance_{seed}, policy_{drawn(std::move(policy), chance_)}, traffic{policy_, seed, disk(chance_)} {}

    void run(int steps, const std::vector<std::filesystem::path>& successors = {}) {
        for (int i = 0; i < steps; ++i) {
            act();
            if (!successors.empty() && chance_.draw(0, 9) == 0)
                traffic.host.replace(opened(kind, successors[static_cast<std::size_t>(chance_.draw(
                                                      0, static_cast<std::int64_t>(successors.size()) - 1))]),
                                     traffic.now);
            traffic.run_until(traffic.now + microseconds(chance_.draw(1, 3'000)));
        }
    }
    // All that is queued is served, however slow the policy's rates are.
    void drain() {
        for (int i = 0; i < 100'000 && traffic.host.queued() + traffic.host.in_service() > 0; ++i)
            traffic.run_until(std::max(traffic.now, traffic.host.next()));
    }

  private:
    static sim::Policy drawn(sim::Policy policy, Chance& chance) {
        draw_parameters(policy, chance);
        return policy;
    }
    static sim::Disk disk(Chance& chance) {
        sim::Disk disk;
        disk.depth = static_cast<std::uint32_t>(chance.draw(1, 4));
        disk.seek = microseconds(chance.draw(0, 500));
        return disk;
    }
    std::uint32_t weight() { return static_cast<std::uint32_t>(chance_.draw(16, 1'024)); }
    void act() {
        const auto any = [&] {
            return static_cast<std::size_t>(chance_.draw(0, static_cast<std::int64_t>(rings_.size()) - 1));
        };
        if (rings_.empty() || (rings_.size() < 6 && chance_.draw(0, 5) == 0)) {
            const auto domain = static_cast<std::uint16_t>(chance_.draw(1, 4));
            rings_.emplace_back(
                traffic.open(domain, weight(), draw_domain_values(policy_, chance_, 1'000'000)), domain);
            return;
        }
        const std::size_t which = any();
        switch (chance_.draw(0, 9)) {
        case 0:
            traffic.close(rings_[which].first);
            rings_.erase(rings_.begin() + static_cast<std::ptrdiff_t>(which));
            return;
        case 1:
            return traffic.host.set_weight(DomainId{rings_[which].second}, weight(), traffic.now);
        default:
            for (std::int64_t i = chance_.draw(1, 12); i > 0; --i)
                traffic.submit(rings_[which].first, static_cast<std::uint32_t>(chance_.draw(1, 128) * 512));
        }
    }

    Chance chance_;
    sim::Policy policy_;
    std::vector<std::pair<std::uint32_t, std::uint16_t>> rings_; // and their domains

  public:
    Traffic traffic;
};

TEST_P(RingProperties, NoRequestIsLostOrServedTwice) {
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        Scene scene{opened(kind, GetParam()), seed};
        ASSERT_NO_THROW(scene.run(150)) << "seed " << seed;
        ASSERT_NO_THROW(scene.drain()) << "seed " << seed;
        scene.traffic.expect_nothing_lost();
        ASSERT_FALSE(HasFailure()) << "seed " << seed;
    }
}

TEST_P(RingProperties, SwapsInFlightLoseNothing) {
    std::vector<std::filesystem::path> successors = files_of(kind);
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        Scene scene{opened(kind, GetParam()), seed};
        ASSERT_NO_THROW(scene.run(150, successors)) << "seed " << seed;
        scene.traffic.host.replace(opened(kind, GetParam()), scene.traffic.now);
        ASSERT_NO_THROW(scene.drain()) << "seed " << seed;
        scene.traffic.expect_nothing_lost();
        ASSERT_FALSE(HasFailure()) << "seed " << seed;
    }
}

TEST_P(RingProperties, TheSameSeedGivesTheSameRun) {
    const auto run = [&] {
        Scene scene{opened(kind, GetParam()), 42};
        scene.run(200);
        std::vector<std::pair<std::int64_t, std::uint64_t>> events;
        for (const Traffic::Event& event : scene.traffic.served)
            events.emplace_back(event.at.since_start().count(), event.number);
        return events;
    };
    const auto first = run();
    EXPECT_GT(first.size(), 100U);
    EXPECT_EQ(first, run());
}

// A domain's own requests are served in the order in which it made them.
TEST_P(RingProperties, ARingIsServedInOrder) {
    Traffic traffic{opened(kind, GetParam())};
    const auto ring = traffic.open(1), other = traffic.open(2);
    for (int i = 0; i < 20; ++i) {
        traffic.submit(ring, 4'096);
        traffic.submit(other, 65'536);
    }
    traffic.run_until(RealTime{} + milliseconds(2'000));
    std::map<std::uint16_t, std::uint64_t> last;
    for (const Traffic::Event& event : traffic.served) {
        EXPECT_TRUE(!last.contains(event.domain) || last[event.domain] < event.number);
        last[event.domain] = event.number;
    }
    EXPECT_EQ(traffic.done.size(), 40U);
}

INSTANTIATE_TEST_SUITE_P(Policies, RingProperties, testing::ValuesIn(files_of(kind)), test_name_of);

// chaos: each way of misbehaving is caught as what it is; with a host that ejects, nothing is lost.
using Case = std::pair<std::int64_t, const char*>;
class RingChaos : public testing::TestWithParam<Case> {
  public:
    static constexpr RealTime end = RealTime{} + milliseconds(60'000);
    static void drive(Traffic& traffic) {
        const auto ring = traffic.open(1), other = traffic.open(2);
        for (int i = 0; i < 60; ++i) {
            traffic.submit(ring, 4'096);
            traffic.submit(other, 4'096);
            traffic.run_until(traffic.now + milliseconds(1));
        }
        traffic.run_until(end);
    }
    static sim::Disk deep() {
        sim::Disk disk;
        disk.depth = 2;
        disk.request = microseconds(600);
        return disk;
    }

  protected:
    sim::Policy policy_ = named(kind, "chaos", {GetParam().first, 20'000});
};

TEST_P(RingChaos, IsCaught) {
    Traffic traffic{policy_, 1, deep()};
    std::string said;
    try {
        drive(traffic);
    } catch (const sim::Misconduct& misconduct) {
        said = misconduct.what();
    }
    EXPECT_THAT(said, testing::HasSubstr(GetParam().second));
}

TEST_P(RingChaos, IsEjectedAndNothingIsLost) {
    Traffic traffic{policy_, 1, deep(), true};
    drive(traffic);
    traffic.expect_nothing_lost();
    EXPECT_EQ(traffic.done.size(), 120U);
    EXPECT_EQ(traffic.host.report().ejected, static_cast<std::uint32_t>(plugin::Fault::wrong_answer));
    EXPECT_STREQ(traffic.host.report().name, "chaos");
    EXPECT_GE(traffic.host.report().ejected_at, 20'000'000);
}

// Faults and loops are contained; an ejection is stamped at a simulated instant.
struct Contained {
    std::int64_t mode;
    ringctl::Hook hook;
    plugin::Fault fault;
    Nanos late; // after the hook was called
};
class RingContained : public testing::TestWithParam<Contained> {};

TEST_P(RingContained, IsEjectedAndNothingIsLost) {
    const sim::Guard::Scope loops_end;
    const auto& [mode, hook, fault, late] = GetParam();
    std::int64_t at[2] = {};
    for (std::int64_t& ejected_at : at) {
        Traffic traffic{named(kind, "chaos", {mode, 20'000}), 1, RingChaos::deep(), true};
        RingChaos::drive(traffic);
        traffic.expect_nothing_lost();
        EXPECT_EQ(traffic.done.size(), 120U);
        const auto& report = traffic.host.report();
        EXPECT_EQ(report.ejected, static_cast<std::uint32_t>(fault));
        EXPECT_EQ(report.hook, static_cast<std::uint32_t>(hook));
        ejected_at = report.ejected_at - late.count();
        EXPECT_GE(ejected_at, 20'000'000);
        EXPECT_LE(ejected_at, 21'000'000); // the next request that the device can take
    }
    EXPECT_EQ(at[0], at[1]);
}

INSTANTIATE_TEST_SUITE_P(
    Modes, RingContained,
    testing::Values(Contained{7, ringctl::Hook::next, plugin::Fault::trapped, {}},
                    Contained{8, ringctl::Hook::next, plugin::Fault::over_budget, ringctl::hook_budget},
                    Contained{9, ringctl::Hook::enqueue, plugin::Fault::over_budget, ringctl::hook_budget}));

INSTANTIATE_TEST_SUITE_P(Modes, RingChaos,
                         testing::Values(Case{1, "not a request"}, Case{2, "in service already"},
                                         Case{3, "though a request is queued"},
                                         Case{4, "though a request is queued"},
                                         Case{5, "though a request is queued"}));

// Waiting for long is the policy's fault only if later requests of others are served meanwhile.
class Patience : public testing::Test {
  protected:
    // 64 requests of one guest at once, each of which takes the device so long; and those of others, if any.
    void wait(sim::Policy policy, Nanos seek, std::uint32_t bytes, std::vector<std::int64_t> values = {}) {
        sim::Disk disk;
        disk.seek = seek;
        traffic_ = std::make_unique<Traffic>(std::move(policy), 1, disk, true);
        const auto ring = traffic_->open(1, 256, std::move(values));
        for (std::uint32_t i = 0; i < ringctl::most_queued; ++i)
            traffic_->submit(ring, bytes);
        traffic_->run_until(RealTime{} + milliseconds(2'000'000));
        EXPECT_EQ(traffic_->host.report().ejected, 0U);
        EXPECT_EQ(traffic_->done.size(), 64U);
    }
    std::unique_ptr<Traffic> traffic_;
};

TEST_F(Patience, NobodyIsBlamedForASlowDevice) {
    wait(named(kind, "fifo"), milliseconds(200), 4'096);
    wait({&host::fallback_ring_policy(), nullptr, {}}, milliseconds(200), 4'096);
    wait(named(kind, "sfq"), milliseconds(30'000), 4'096);
}

TEST_F(Patience, NobodyIsBlamedForALowRate) {
    wait(named(kind, "token_bucket", {5, 1}), microseconds(100), 4'096);
    wait(named(kind, "token_bucket", {1, 1}), microseconds(100), 1'048'576);
    wait(named(kind, "mclock"), microseconds(100), 4'096, {0, 5});
}

// A light domain beside a heavy one waits for long, and for as long as its weight says.
TEST_F(Patience, NobodyIsBlamedForWeights) {
    sim::Disk disk;
    disk.seek = milliseconds(5);
    for (const char* name : {"drr", "sfq"}) {
        Traffic traffic{named(kind, name), 1, disk};
        const auto light = traffic.open(1, 1), heavy = traffic.open(2, 65'535);
        ASSERT_NO_THROW(traffic.run_backlogged(RealTime{} + milliseconds(60'000),
                                               {{light, 4'096, 2}, {heavy, 4'096, 8}}));
    }
}

TEST_F(Patience, WhoServesOnlyTheLatestStarvesTheOthers) {
    sim::Disk disk;
    disk.seek = milliseconds(2);
    Traffic traffic{named(kind, "chaos", {6, 20'000}), 1, disk, true};
    const auto patient = traffic.open(1), greedy = traffic.open(2);
    traffic.submit(patient, 4'096);
    traffic.run_backlogged(RealTime{} + milliseconds(19'000), {{patient, 4'096, 4}, {greedy, 4'096, 2}});
    EXPECT_EQ(traffic.host.report().ejected, 0U); // two equal domains: 20 s
    traffic.run_backlogged(RealTime{} + milliseconds(23'000), {{patient, 4'096, 4}, {greedy, 4'096, 2}});
    EXPECT_EQ(traffic.host.report().ejected, static_cast<std::uint32_t>(plugin::Fault::starvation));
    traffic.run_until(RealTime{} + milliseconds(30'000));
    traffic.expect_nothing_lost();
}

TEST(RingHost, RefusesWhatLeavesTheDevice) {
    Traffic traffic{opened(kind, files_of(kind).front())};
    const auto ring = traffic.open(1);
    EXPECT_THROW(traffic.host.submit(ring, ringctl::Operation::read, 0, 0, {}), std::invalid_argument);
    EXPECT_THROW(traffic.host.submit(ring, ringctl::Operation::read, 1U << 24, 512, {}),
                 std::invalid_argument);
}

TEST(RingHost, AFullRingTakesNoMore) {
    Traffic traffic{opened(kind, files_of(kind).front())};
    const auto ring = traffic.open(1);
    for (std::uint32_t i = 0; i < ringctl::most_queued; ++i)
        EXPECT_TRUE(traffic.submit(ring, 4'096));
    EXPECT_FALSE(traffic.submit(ring, 4'096));
    traffic.run_until(RealTime{} + milliseconds(1));
    EXPECT_TRUE(traffic.submit(ring, 4'096));
}

} // namespace
} // namespace bulkhead::policy_test
