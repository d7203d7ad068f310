// What single memory policies promise in their files: parts, proportions, reservations and limits, and the
// tax on what is idle.
#include "sim/machine_memory.hpp"
#include "tests/policy/kinds.hpp"

#include <bit>

namespace bulkhead::policy_test {
namespace {

using memctl::Frames;
constexpr auto kind = plugin::Kind::memory;
constexpr std::int64_t mib = 256; // frames

class Machine : public testing::Test {
  protected:
    void start(const std::string& name, std::vector<std::int64_t> values = {}, std::uint32_t zones = 1) {
        host_ = std::make_unique<sim::MachineMemory>(
            named(kind, name, std::move(values)),
            sim::MachineMemory::Options{.frames = Frames{frames_}, .zones = zones, .eject = false});
    }
    bool admit(std::uint16_t id, std::int64_t most, std::uint32_t weight = 256,
               std::vector<std::int64_t> values = {}) {
        return host_->admit({.id = DomainId{id},
                             .weight = weight,
                             .least = Frames{most / 16},
                             .most = Frames{most},
                             .values = std::move(values)},
                            now_);
    }
    [[nodiscard]] std::int64_t target(std::uint16_t id) const { return host_->target(DomainId{id}).count(); }
    // Everybody takes what its target says, gives back what is over it, and uses a part (in per cent) of its
    // frames.
    void live(int periods, const std::vector<std::pair<std::uint16_t, std::int64_t>>& used) {
        for (int i = 0; i < periods; ++i) {
            now_ += milliseconds(100);
            for (const auto& [id, part] : used) {
                const DomainId domain{id};
                host_->release(domain, std::max(host_->has(domain) - host_->target(domain), Frames{}), now_);
                host_->populate(domain, Frames{frames_}, now_);
                host_->sample(domain, Frames{100}, Frames{part}, now_);
            }
            host_->rebalance(now_);
        }
    }

    // The same, but each uses a set of so many frames, as far as it has them; it may page in 500 in a period.
    void work(int periods, const std::vector<std::pair<std::uint16_t, std::int64_t>>& sets) {
        for (int i = 0; i < periods; ++i) {
            now_ += milliseconds(100);
            for (const auto& [id, set] : sets) {
                const DomainId domain{id};
                host_->release(domain, std::max(host_->has(domain) - host_->target(domain), Frames{}), now_);
                host_->populate(domain, Frames{frames_}, now_);
                const std::int64_t has = host_->has(domain).count(), used = std::min(has, set);
                host_->sample(domain, Frames{100}, Frames{used * 100 / has}, now_);
                host_->missed(domain, static_cast<std::uint64_t>(std::min<std::int64_t>(set - used, 500)));
            }
            host_->rebalance(now_);
        }
    }
    // Its set of the past window is forgotten within the periods that an eighth of it at a time needs.
    void expect_falls_in_steps(std::uint16_t id) {
        for (int i = 0; i < 16; ++i) {
            const std::int64_t before = target(id);
            work(1, {{id, mib}, {2, 10 * mib}});
            EXPECT_GE(target(id), before - before / 8 - 1) << "period " << i;
        }
    }
    // The zones of its frames, a bit for each.
    [[nodiscard]] std::uint64_t zones_of(std::uint16_t id) const {
        std::uint64_t zones = 0;
        for (const std::uint32_t frame : host_->frames_of(DomainId{id}))
            zones |= std::uint64_t{1} << host_->zone_of(frame).value();
        return zones;
    }

    static constexpr std::int64_t frames_ = 64 * mib;
    std::unique_ptr<sim::MachineMemory> host_;
    RealTime now_{};
};

TEST_F(Machine, FirstFitKeepsWhatItGave) {
    start("first_fit");
    ASSERT_TRUE(admit(1, 48 * mib));
    ASSERT_TRUE(admit(2, 48 * mib));
    EXPECT_EQ(target(1), 48 * mib);
    EXPECT_EQ(target(2), 16 * mib);
    live(20, {{1, 0}, {2, 100}});
    EXPECT_EQ(target(1), 48 * mib);
    EXPECT_FALSE(admit(3, 16 * mib));
}

TEST_F(Machine, StaticPartitionCutsEqualParts) {
    start("static_partition", {4});
    for (std::uint16_t id = 1; id <= 4; ++id) {
        ASSERT_TRUE(admit(id, 40 * mib));
        EXPECT_EQ(target(id), 16 * mib);
    }
    EXPECT_FALSE(admit(5, 1 * mib));
    host_->depart(DomainId{2}, now_);
    EXPECT_EQ(target(1), 16 * mib);
    EXPECT_TRUE(admit(6, 8 * mib));
    EXPECT_EQ(target(6), 8 * mib);
}

TEST_F(Machine, ProportionalShareIsByWeightToAFrame) {
    start("proportional_share");
    ASSERT_TRUE(admit(1, 64 * mib, 100));
    ASSERT_TRUE(admit(2, 64 * mib, 200));
    ASSERT_TRUE(admit(3, 64 * mib, 500));
    EXPECT_NEAR(static_cast<double>(target(1)), frames_ / 8.0, 3);
    EXPECT_NEAR(static_cast<double>(target(2)), frames_ / 4.0, 3);
    EXPECT_EQ(target(1) + target(2) + target(3), frames_);
    host_->set_weight(DomainId{3}, 100, now_);
    EXPECT_NEAR(static_cast<double>(target(3)), frames_ / 4.0, 3);
}

TEST_F(Machine, ProportionalShareGivesOthersWhatOneCannotUse) {
    start("proportional_share");
    ASSERT_TRUE(admit(1, 4 * mib));
    ASSERT_TRUE(admit(2, 64 * mib));
    EXPECT_EQ(target(1), 4 * mib);
    EXPECT_EQ(target(2), 60 * mib);
}

TEST_F(Machine, MinMaxKeepsReservationsAndLimits) {
    start("min_max");
    ASSERT_TRUE(admit(1, 60 * mib, 16, {40, 0}));
    ASSERT_TRUE(admit(2, 60 * mib, 4'096, {0, 0}));
    EXPECT_GE(target(1), 40 * mib);
    EXPECT_EQ(target(1) + target(2), frames_);
    ASSERT_TRUE(admit(3, 60 * mib, 4'096, {0, 6}));
    EXPECT_GE(target(1), 40 * mib);
    EXPECT_LE(target(3), 6 * mib);
    EXPECT_FALSE(admit(4, 60 * mib, 256, {20, 0}));
}

TEST_F(Machine, MinMaxKeepsLimitsThoughReservationsDoNotFit) {
    start("min_max"); // the values are of the policy that began
    ASSERT_TRUE(admit(1, 60 * mib, 256, {40, 0}));
    ASSERT_TRUE(admit(2, 60 * mib, 256, {0, 10}));
    host_->replace(named(kind, "proportional_share"), now_);
    ASSERT_TRUE(admit(3, 60 * mib, 256, {40, 0}));
    host_->replace(named(kind, "min_max"), now_);
    EXPECT_LE(target(2), 10 * mib);
    EXPECT_LE(target(1) + target(2) + target(3), frames_);
}

TEST_F(Machine, MinMaxRefusesAReservationAboveItsLimit) {
    start("min_max");
    EXPECT_FALSE(admit(1, 60 * mib, 256, {20, 10}));
    EXPECT_TRUE(admit(2, 60 * mib, 256, {20, 20}));
}

TEST_F(Machine, MinMaxTakesByForceOnceThePatienceIsOver) {
    start("min_max", {300});
    ASSERT_TRUE(admit(1, 64 * mib));
    host_->populate(DomainId{1}, Frames{64 * mib}, now_);
    ASSERT_TRUE(admit(2, 64 * mib));
    const RealTime began = now_;
    EXPECT_EQ(host_->to_reclaim(DomainId{1}, began + milliseconds(299)), Frames{});
    EXPECT_EQ(host_->to_reclaim(DomainId{1}, began + milliseconds(300)), Frames{32 * mib});
    EXPECT_EQ(host_->to_reclaim(DomainId{2}, began + milliseconds(900)), Frames{});
}

TEST_F(Machine, IdleTaxWithoutATaxIsByWeight) {
    start("idle_tax", {0, 500});
    ASSERT_TRUE(admit(1, 64 * mib));
    ASSERT_TRUE(admit(2, 64 * mib));
    live(60, {{1, 0}, {2, 100}});
    EXPECT_NEAR(static_cast<double>(target(1)), frames_ / 2.0, 2);
}

// The paper's case: at 75 %, an active domain ends with four times the memory of an idle one of the same
// weight.
TEST_F(Machine, IdleTaxOfThreeQuartersGivesTheActiveFourTimes) {
    start("idle_tax", {75, 500});
    ASSERT_TRUE(admit(1, 64 * mib));
    ASSERT_TRUE(admit(2, 64 * mib));
    live(200, {{1, 0}, {2, 100}});
    EXPECT_NEAR(static_cast<double>(target(2)) / static_cast<double>(target(1)), 4.0, 0.05);
    live(200, {{1, 100}, {2, 100}}); // it comes back
    EXPECT_NEAR(static_cast<double>(target(1)), frames_ / 2.0, frames_ / 100.0);
}

TEST_F(Machine, WorkingSetGivesWhatIsNeededWhoeverHadItBefore) {
    start("working_set");
    ASSERT_TRUE(admit(1, 64 * mib, 4'096));
    host_->populate(DomainId{1}, Frames{64 * mib}, now_);
    ASSERT_TRUE(admit(2, 64 * mib, 16));
    work(60, {{1, mib}, {2, 48 * mib}});
    EXPECT_GE(target(2), 48 * mib);
    EXPECT_EQ(target(1) + target(2), frames_);
}

TEST_F(Machine, WorkingSetsThatDoNotFitShareByWeight) {
    start("working_set");
    ASSERT_TRUE(admit(1, 64 * mib, 256));
    ASSERT_TRUE(admit(2, 64 * mib, 256));
    ASSERT_TRUE(admit(3, 64 * mib, 512));
    work(80, {{1, 8 * mib}, {2, 60 * mib}, {3, 60 * mib}});
    EXPECT_GE(target(1), 8 * mib); // less than its part by weight, so it has all of it
    EXPECT_LE(target(1), 11 * mib);
    EXPECT_NEAR(static_cast<double>(target(3)) / static_cast<double>(target(2)), 2.0, 0.02);
    EXPECT_EQ(target(1) + target(2) + target(3), frames_);
}

TEST_F(Machine, WorkingSetIsRememberedForAWindow) {
    start("working_set", {1'000, 0, 500});
    ASSERT_TRUE(admit(1, 64 * mib, 64));
    ASSERT_TRUE(admit(2, 64 * mib, 256));
    work(60, {{1, 48 * mib}, {2, mib}});
    EXPECT_GE(target(1), 47 * mib);
    work(7, {{1, mib}, {2, 10 * mib}});
    EXPECT_GE(target(1), 47 * mib);
    expect_falls_in_steps(1);
    EXPECT_LE(target(1), 16 * mib); // what is left goes by weight
}

// A domain that waits for a pCPU forgets nothing; one that sleeps does.
TEST_F(Machine, WorkingSetIsMeasuredInTheDomainsOwnTime) {
    start("working_set", {1'000, 0, 500});
    ASSERT_TRUE(admit(1, 64 * mib, 64));
    ASSERT_TRUE(admit(2, 64 * mib, 256));
    work(60, {{1, 48 * mib}, {2, mib}});
    const RealTime since = now_;
    const auto ran = now_.since_start();
    for (int i = 0; i < 50; ++i) {
        host_->set_times(DomainId{1}, ran, now_ - since + milliseconds(100));
        work(1, {{1, mib}, {2, 10 * mib}});
    }
    EXPECT_GE(target(1), 47 * mib);
    work(7, {{1, mib}, {2, 10 * mib}});
    expect_falls_in_steps(1);
    EXPECT_LE(target(1), 16 * mib);
}

TEST_F(Machine, ColoringKeepsDomainsInZonesOfTheirOwn) {
    start("coloring", {4}, 8);
    for (std::uint16_t id = 1; id <= 4; ++id)
        ASSERT_TRUE(admit(id, 40 * mib));
    EXPECT_FALSE(admit(5, 1 * mib));
    live(3, {{1, 100}, {2, 0}, {3, 100}, {4, 50}});
    std::uint64_t seen = 0;
    for (std::uint16_t id = 1; id <= 4; ++id) {
        EXPECT_EQ(host_->has(DomainId{id}).count(), 16 * mib);
        EXPECT_EQ(std::popcount(zones_of(id)), 2);
        EXPECT_EQ(seen & zones_of(id), 0U) << "domain " << id;
        seen |= zones_of(id);
    }
}

TEST_F(Machine, ColoringGivesAsManyColoursAsItIsTold) {
    start("coloring", {4}, 8);
    ASSERT_TRUE(admit(1, 64 * mib, 256, {5}));
    EXPECT_EQ(target(1), 40 * mib);
    EXPECT_FALSE(admit(2, 64 * mib, 256, {4}));
    ASSERT_TRUE(admit(3, 64 * mib, 256, {3}));
    host_->depart(DomainId{1}, now_);
    EXPECT_TRUE(admit(4, 64 * mib, 256, {4}));
    EXPECT_FALSE(admit(5, 64 * mib, 256, {2}));
    EXPECT_FALSE(admit(6, 200 * mib, 256, {1})); // it could not live in one
}

TEST_F(Machine, ColoringLetsThoseLiveForWhomNoColourIsLeft) {
    start("first_fit", {}, 2);
    for (std::uint16_t id = 1; id <= 3; ++id)
        ASSERT_TRUE(admit(id, 16 * mib));
    host_->replace(named(kind, "coloring"), now_);
    EXPECT_EQ(target(1) + target(2), 32 * mib);
    EXPECT_EQ(target(3), 1 * mib);
    EXPECT_EQ(host_->populate(DomainId{3}, Frames{1 * mib}, now_), Frames{1 * mib});
}

} // namespace
} // namespace bulkhead::policy_test
