// Weights, limits and reservations change while rings are served: what a policy promises holds in windows
// before a change and after it.
#include "tests/policy/traffic.hpp"

namespace bulkhead::policy_test {
namespace {

constexpr auto kind = plugin::Kind::ring;
constexpr std::uint32_t small = 4'096;
using Row = std::pair<const char*, std::int64_t>;

host::Change change(Traffic& traffic, std::uint16_t domain, std::initializer_list<Row> rows) {
    plugin::ValueChanges all{};
    all.kind = kind;
    for (const auto& [name, value] : rows) {
        all.keys[all.count] = plugin::key_of(name, "1/s");
        all.values[all.count++] = value;
    }
    return traffic.host.change(DomainId{domain}, all, traffic.now);
}

double served(const Traffic& traffic, std::uint16_t domain, RealTime from, RealTime to) {
    return static_cast<double>(std::ranges::count_if(traffic.served, [&](const Traffic::Event& event) {
        return event.domain == domain && event.at >= from && event.at < to;
    }));
}

// No window between two of the domain's requests has more than `burst`, and the rate in it, and one.
void expect_limit(const Traffic& traffic, std::uint16_t domain, RealTime from, double rate, double burst) {
    std::vector<RealTime> at;
    for (const Traffic::Event& event : traffic.served)
        if (event.domain == domain && event.at >= from)
            at.push_back(event.at);
    for (std::size_t i = 0; i < at.size(); ++i)
        for (std::size_t j = i; j < at.size(); ++j)
            ASSERT_LE(static_cast<double>(j - i),
                      burst + rate * static_cast<double>((at[j] - at[i]).count()) * 1e-9 + 1e-6);
}

TEST(RingChanges, ALimitHoldsFromItsChangeOn) {
    Traffic traffic{named(kind, "mclock")};
    const auto ring = traffic.open(1, 256, {0, 200}), other = traffic.open(2);
    const std::vector<Traffic::Backlog> guests{{ring, small, 16}, {other, small, 4}};
    for (const std::int64_t limit : {200, 800, 1, 400}) {
        ASSERT_EQ(change(traffic, 1, {{"limit", limit}}), host::Change::done);
        const RealTime from = traffic.now;
        traffic.run_backlogged(from + milliseconds(2'000), guests);
        const auto expected = static_cast<double>(limit) * 2;
        EXPECT_NEAR(served(traffic, 1, from, traffic.now), expected, std::max(expected * 0.01, 2.0)) << limit;
        expect_limit(traffic, 1, from, static_cast<double>(limit), 4);
        traffic.served.clear();
    }
}

TEST(RingChanges, AReservationHoldsFromItsChangeOn) {
    Traffic traffic{named(kind, "mclock")};
    const auto reserved = traffic.open(1, 1, {200}), heavy = traffic.open(2, 4'096);
    const std::vector<Traffic::Backlog> guests{{reserved, small, 16}, {heavy, small, 32}};
    for (const std::int64_t reservation : {200, 1'200, 50, 600}) {
        ASSERT_EQ(change(traffic, 1, {{"reservation", reservation}}), host::Change::done);
        const RealTime from = traffic.now;
        traffic.run_backlogged(from + milliseconds(2'000), guests);
        const auto expected = static_cast<double>(reservation) * 2;
        EXPECT_NEAR(served(traffic, 1, from, traffic.now), expected, expected * 0.03 + 2) << reservation;
        traffic.served.clear();
    }
}

// A device that could not do what was reserved owes nothing of that once less is reserved.
TEST(RingChanges, ALowerReservationEndsTheDebtOfTheFormerOne) {
    Traffic traffic{named(kind, "mclock")};
    const auto greedy = traffic.open(1, 1, {100'000}), other = traffic.open(2, 1, {500});
    const std::vector<Traffic::Backlog> guests{{greedy, small, 16}, {other, small, 16}};
    traffic.run_backlogged(RealTime{} + milliseconds(1'000), guests);
    ASSERT_EQ(change(traffic, 1, {{"reservation", 500}}), host::Change::done);
    ASSERT_EQ(change(traffic, 2, {{"reservation", 600}}), host::Change::done);
    const RealTime from = traffic.now;
    traffic.run_backlogged(from + milliseconds(500), guests);
    EXPECT_GE(served(traffic, 2, from, traffic.now), 298);
}

TEST(RingChanges, ARateHoldsFromItsChangeOnAndTokensStay) {
    Traffic traffic{named(kind, "token_bucket", {1'000, 16})};
    const auto ring = traffic.open(1, 256, {400});
    for (const std::int64_t rate : {400, 1'000, 2, 200}) {
        ASSERT_EQ(change(traffic, 1, {{"rate", rate}}), host::Change::done);
        const RealTime from = traffic.now;
        traffic.run_backlogged(from + milliseconds(2'000), {{ring, small, 16}});
        const bool is_first = from == RealTime{}; // with a full bucket
        const auto expected = static_cast<double>(rate * 2 + (is_first ? 16 : 0));
        EXPECT_NEAR(served(traffic, 1, from, traffic.now), expected, std::max(expected * 0.01, 2.0)) << rate;
        expect_limit(traffic, 1, from, static_cast<double>(rate), 16);
        traffic.served.clear();
    }
}

TEST(RingChanges, AWeightHoldsFromItsChangeOn) {
    for (const char* const name : {"sfq", "drr", "mclock"}) {
        Traffic traffic{named(kind, name)};
        const auto one = traffic.open(1), two = traffic.open(2);
        for (const std::uint32_t weight : {256U, 1'024U, 64U}) {
            traffic.host.set_weight(DomainId{2}, weight, traffic.now);
            const RealTime from = traffic.now;
            traffic.run_backlogged(from + milliseconds(4'000), {{one, small, 16}, {two, small, 16}});
            EXPECT_NEAR(served(traffic, 2, from, traffic.now) / served(traffic, 1, from, traffic.now),
                        weight / 256.0, weight / 256.0 * 0.03)
                << name << ", weight " << weight;
        }
    }
}

// The target of a request in service may go meanwhile, also to none.
TEST(RingChanges, ATargetThatGoesIsNoDivisor) {
    Traffic traffic{named(kind, "latency_target", {0, 100, 50})};
    plugin::ValueChanges all{};
    all.kind = kind;
    all.count = 1;
    all.keys[0] = plugin::key_of("target", "us");
    const auto ring = traffic.open(1, 256, {5'000, 1'000});
    for (int round = 0; round < 50; ++round) {
        all.values[0] = round % 2 == 0 ? 5'000 : 0;
        ASSERT_EQ(traffic.host.change(DomainId{1}, all, traffic.now), host::Change::done);
        traffic.run_backlogged(traffic.now + microseconds(700), {{ring, small, 4}});
    }
    EXPECT_GT(traffic.done.size(), 40U);
    EXPECT_EQ(traffic.host.report().ejected, 0U);
}

// Members of a group have one set of values.
TEST(RingChanges, AChangeForOneMemberIsItsGroups) {
    Traffic traffic{named(kind, "mclock")};
    const auto first = traffic.open(1, 256, {0, 100}, 1), second = traffic.open(2, 256, {}, 1);
    ASSERT_EQ(change(traffic, 2, {{"limit", 600}}), host::Change::done);
    traffic.run_backlogged(RealTime{} + milliseconds(2'000), {{first, small, 16}, {second, small, 16}});
    EXPECT_NEAR(static_cast<double>(traffic.served.size()), 1'200, 12);
}

} // namespace
} // namespace bulkhead::policy_test
