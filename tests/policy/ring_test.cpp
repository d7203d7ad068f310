// What must hold for every ring policy, whatever guests do: the host throws Misconduct on any wrong answer,
// and here it is driven at random. No request is lost or served twice, and the device does not idle where
// that is promised.
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
        for (int i = 0; i < 10'000 && traffic.host.queued() + traffic.host.in_service() > 0; ++i)
            traffic.run_until(traffic.now + milliseconds(1));
    }

  private:
    static sim::Policy drawn(sim::Policy policy, Chance& chance) {
        // Rates so low that a request may wait for ever would be starvation, which is another test's.
        if (!has(policy, plugin::Trait::idles))
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
            rings_.emplace_back(traffic.open(domain, weight()), domain);
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
  protected:
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
    const auto fault = GetParam().first >= 4 ? plugin::Fault::starvation : plugin::Fault::wrong_answer;
    EXPECT_EQ(traffic.host.report().ejected, static_cast<std::uint32_t>(fault));
    EXPECT_STREQ(traffic.host.report().name, "chaos");
    EXPECT_GE(traffic.host.report().ejected_at, 20'000'000);
}

INSTANTIATE_TEST_SUITE_P(Modes, RingChaos,
                         testing::Values(Case{1, "not a request"}, Case{2, "in service already"},
                                         Case{3, "not in the future"}, Case{4, "starved"},
                                         Case{5, "starved"}));

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
