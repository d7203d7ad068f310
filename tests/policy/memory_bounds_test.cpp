// What single memory policies promise in their files: parts, proportions, reservations and limits, and the
// tax on what is idle.
#include "sim/memory_host.hpp"
#include "tests/policy/kinds.hpp"

namespace bulkhead::policy_test {
namespace {

using memctl::Frames;
constexpr auto kind = plugin::Kind::memory;
constexpr std::int64_t mib = 256; // frames

class Machine : public testing::Test {
  protected:
    void start(const std::string& name, std::vector<std::int64_t> values = {}) {
        host_ = std::make_unique<sim::MemoryHost>(
            named(kind, name, std::move(values)),
            sim::MemoryHost::Options{.frames = Frames{frames_}, .eject = false});
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

    static constexpr std::int64_t frames_ = 64 * mib;
    std::unique_ptr<sim::MemoryHost> host_;
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

} // namespace
} // namespace bulkhead::policy_test
