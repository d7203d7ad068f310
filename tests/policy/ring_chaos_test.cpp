// What misbehaving ring policies are caught for, that an ejection loses nothing, and which waits are not a
// fault.
#include "host/fallbacks.hpp"
#include "tests/policy/traffic.hpp"

#include <gmock/gmock.h>

namespace bulkhead::policy_test {
namespace {

constexpr auto kind = plugin::Kind::ring;

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
