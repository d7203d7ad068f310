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
        : chance_{seed}, policy_{drawn(std::move(policy), chance_)},
          group_{static_cast<std::uint32_t>(chance_.draw(0, 1))}, traffic{policy_, seed, disk(chance_)} {}

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
        disk.flush = microseconds(chance.draw(0, 2'000));
        return disk;
    }
    std::uint32_t weight() { return static_cast<std::uint32_t>(chance_.draw(16, 1'024)); }
    void act() {
        const auto any = [&] {
            return static_cast<std::size_t>(chance_.draw(0, static_cast<std::int64_t>(rings_.size()) - 1));
        };
        if (rings_.empty() || (rings_.size() < 6 && chance_.draw(0, 5) == 0)) {
            const auto domain = static_cast<std::uint16_t>(chance_.draw(1, 4));
            const std::uint32_t group = domain >= 3 ? group_ : 0;
            rings_.emplace_back(
                traffic.open(domain, weight(), draw_domain_values(policy_, chance_, 1'000'000), group),
                domain);
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
                submit(rings_[which].first);
        }
    }
    void submit(std::uint32_t ring) {
        constexpr ringctl::Operation operations[] = {ringctl::Operation::discard, ringctl::Operation::flush,
                                                     ringctl::Operation::barrier};
        const auto bytes = static_cast<std::uint32_t>(chance_.draw(1, 128) * 512);
        if (const auto rare = chance_.draw(0, 15); rare < 3) {
            const auto operation = operations[rare];
            traffic.submit(ring, operation, operation == ringctl::Operation::barrier ? bytes : 0);
        } else {
            traffic.submit(ring, rare % 2 == 0 ? ringctl::Operation::read : ringctl::Operation::write, bytes);
        }
    }

    Chance chance_;
    sim::Policy policy_;
    std::uint32_t group_;                                        // of domains 3 and 4; 0: each is by itself
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

// Of one ring: a flush behind the earlier writes, a barrier behind all that is earlier and before all that is
// later. The number of a request says when it came.
TEST_P(RingProperties, FlushesAndBarriersKeepTheirPlace) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        Scene scene{opened(kind, GetParam()), seed};
        ASSERT_NO_THROW(scene.run(150)) << "seed " << seed;
        ASSERT_NO_THROW(scene.drain()) << "seed " << seed;
        const auto& served = scene.traffic.served; // in the order of the device
        for (std::size_t i = 0; i < served.size(); ++i)
            for (std::size_t j = i + 1; j < served.size(); ++j)
                if (served[j].ring == served[i].ring && served[j].number < served[i].number) {
                    const auto overtaken = served[j].operation, overtakes = served[i].operation;
                    EXPECT_NE(overtaken, ringctl::Operation::barrier) << served[j].number;
                    EXPECT_NE(overtakes, ringctl::Operation::barrier) << served[i].number;
                    EXPECT_TRUE(overtakes != ringctl::Operation::flush ||
                                overtaken == ringctl::Operation::read)
                        << served[i].number;
                }
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

// To the device's other domains a group is one domain, however many members share its rings.
TEST_P(RingProperties, AGroupIsServedLikeOneDomain) {
    const auto victims = [&](bool is_group, std::uint32_t weight) {
        Traffic traffic{opened(kind, GetParam())};
        std::vector<Traffic::Backlog> guests{{traffic.open(1, 256), 4'096, 2}};
        for (std::uint16_t i = 0; i < 4; ++i) {
            const std::uint16_t member = is_group ? 2 + i : 2;
            guests.push_back({traffic.open(member, weight, {}, is_group ? 7 : 0), 16'384, 8});
        }
        traffic.run_backlogged(RealTime{} + milliseconds(1'000), guests);
        std::vector<std::pair<std::int64_t, std::uint64_t>> mine;
        for (const Traffic::Event& event : traffic.done)
            if (event.domain == 1)
                mine.emplace_back(event.at.since_start().count(), event.number);
        return mine;
    };
    const auto beside_group = victims(true, 512);
    EXPECT_GT(beside_group.size(), 10U);
    EXPECT_EQ(beside_group, victims(false, 512));
}

// A member's new weight is its group's.
TEST_P(RingProperties, AGroupHasOneWeight) {
    const auto victims = [&](bool is_group) {
        Traffic traffic{opened(kind, GetParam())};
        std::vector<Traffic::Backlog> guests{{traffic.open(1, 256), 4'096, 8}};
        for (std::uint16_t i = 0; i < 2; ++i)
            guests.push_back({traffic.open(is_group ? 2 + i : 2, 256, {}, is_group ? 7 : 0), 4'096, 8});
        traffic.host.set_weight(DomainId{static_cast<std::uint16_t>(is_group ? 3 : 2)}, 1'024, traffic.now);
        traffic.run_backlogged(RealTime{} + milliseconds(1'000), guests);
        return std::ranges::count(traffic.done, std::uint16_t{1}, &Traffic::Event::domain);
    };
    EXPECT_EQ(victims(true), victims(false));
}

INSTANTIATE_TEST_SUITE_P(Policies, RingProperties, testing::ValuesIn(files_of(kind)), test_name_of);

} // namespace
} // namespace bulkhead::policy_test
