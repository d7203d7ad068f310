// What must hold for every ring policy, whatever guests do: the host throws Misconduct on any wrong answer,
// and here it is driven at random. No request is lost or served twice, and the device does not idle where
// that is promised.
#include "tests/policy/traffic.hpp"

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

} // namespace
} // namespace bulkhead::policy_test
