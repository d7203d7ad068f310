// What mclock promises in its file: reservations, limits in requests and bytes, weights, idle credit.
#include "tests/policy/traffic.hpp"

namespace bulkhead::policy_test {
namespace {

constexpr auto kind = plugin::Kind::ring;
constexpr std::uint32_t small = 4'096;

int served_of(const Traffic& traffic, std::uint16_t domain, RealTime from) {
    return static_cast<int>(std::ranges::count_if(traffic.served, [&](const Traffic::Event& event) {
        return event.domain == domain && event.at >= from;
    }));
}

TEST(Mclock, AReservationIsKeptWhateverTheWeights) {
    Traffic traffic{named(kind, "mclock")};
    const auto reserved = traffic.open(1, 16, {1'000, 0}), heavy = traffic.open(2, 4'096);
    traffic.run_backlogged(RealTime{} + milliseconds(2'000), {{reserved, small, 8}, {heavy, small, 32}});
    EXPECT_GE(served_of(traffic, 1, RealTime{} + milliseconds(1'000)), 998);
    EXPECT_GT(served_of(traffic, 2, RealTime{} + milliseconds(1'000)), 1'200);
}

TEST(Mclock, ALimitHoldsOnAnIdleDevice) {
    Traffic traffic{named(kind, "mclock")};
    const auto ring = traffic.open(1, 256, {0, 300});
    traffic.run_backlogged(RealTime{} + milliseconds(1'000), {{ring, small, 16}});
    EXPECT_NEAR(served_of(traffic, 1, {}), 300, 2);
}

// In any window of length w: at most l * w, one, and the burst that makes up for a device that was taken.
TEST(Mclock, ALimitHoldsWhateverIsReserved) {
    struct Case {
        std::int64_t policy, own, burst;
    };
    for (const auto& [policy, own, burst] :
         {Case{0, 1'000, 0}, Case{1'000, 0, 0}, Case{0, 60, 0}, Case{0, 1'000, 4}, Case{0, 60, 1}}) {
        Traffic traffic{named(kind, "mclock", {policy, burst, 0})};
        const auto ring = traffic.open(1, 256, {own, 100}), other = traffic.open(2, 256, {500, 0});
        traffic.run_backlogged(RealTime{} + milliseconds(2'000), {{ring, small, 16}, {other, small, 16}});
        std::vector<RealTime> at;
        for (const Traffic::Event& event : traffic.served)
            if (event.domain == 1)
                at.push_back(event.at);
        EXPECT_GE(at.size(), burst > 0 ? 199U : 190U); // a busy device is not always free when it may
        for (std::size_t i = 0; i < at.size(); ++i)
            for (std::size_t j = i; j < at.size(); ++j)
                ASSERT_LE(static_cast<double>(j - i),
                          static_cast<double>(burst) +
                              100 * static_cast<double>((at[j] - at[i]).count()) * 1e-9 + 1e-6);
        EXPECT_GE(served_of(traffic, 2, {}), 998);
    }
}

// A device with half of its capacity for a limited domain is taken now and then when that domain may.
TEST(Mclock, ALimitIsReachedOnABusyDevice) {
    sim::Disk disk;
    disk.request = microseconds(490);
    disk.seek = Nanos{};
    disk.depth = 2;
    Traffic traffic{named(kind, "mclock"), 1, disk}; // 2,000 requests of 4 KiB a second
    const auto light = traffic.open(1, 256, {250}), middle = traffic.open(2, 512, {250}),
               heavy = traffic.open(3, 768, {0, 1'000});
    traffic.run_backlogged(RealTime{} + milliseconds(4'000),
                           {{light, small, 32}, {middle, small, 32}, {heavy, small, 32}});
    EXPECT_NEAR(served_of(traffic, 3, {}), 4'000, 20);
    EXPECT_NEAR(served_of(traffic, 2, {}), 2'666, 20);
}

TEST(Mclock, LimitsInRequestsAndBytesHoldAtOnce) {
    for (const auto& [bytes, expected] :
         {std::pair{512U, 400}, {8'192U, 400}, {32'768U, 128}, {65'536U, 64}}) {
        Traffic traffic{named(kind, "mclock")};
        const auto ring = traffic.open(1, 256, {0, 400, 4'096}), other = traffic.open(2);
        traffic.run_backlogged(RealTime{} + milliseconds(1'000), {{ring, bytes, 16}, {other, small, 1}});
        EXPECT_NEAR(served_of(traffic, 1, {}), expected, 2) << bytes;
    }
}

// What comes after a pause is served first, as far as the credit goes, and shares after that.
TEST(Mclock, IdleCreditIsOfTheBeginningOfABurst) {
    for (const std::int64_t credit : {0, 16}) {
        Traffic traffic{named(kind, "mclock", {0, 4, credit})};
        const auto steady = traffic.open(1), bursty = traffic.open(2);
        traffic.run_backlogged(RealTime{} + milliseconds(200), {{steady, small, 32}});
        traffic.served.clear();
        traffic.run_backlogged(traffic.now + milliseconds(60), {{steady, small, 32}, {bursty, small, 32}});
        EXPECT_NEAR(served_of(traffic, 2, {}) - served_of(traffic, 1, {}), static_cast<double>(credit), 1.0);
        const auto others = std::ranges::find(traffic.served, 1, &Traffic::Event::domain);
        EXPECT_NEAR(static_cast<double>(others - traffic.served.begin()), static_cast<double>(credit), 1.0);
    }
}

// Who waits for its limit is behind all others in virtual time; who comes new is not.
TEST(Mclock, ALimitedNeighbourGivesNewcomersNoClaim) {
    Traffic traffic{named(kind, "mclock")};
    const auto limited = traffic.open(1, 256, {0, 50}), stays = traffic.open(2);
    traffic.run_backlogged(RealTime{} + milliseconds(2'000), {{limited, small, 8}, {stays, small, 8}});
    const RealTime from = traffic.now;
    const auto comes = traffic.open(3);
    traffic.run_backlogged(from + milliseconds(1'000),
                           {{limited, small, 8}, {stays, small, 8}, {comes, small, 8}});
    EXPECT_NEAR(served_of(traffic, 3, from), served_of(traffic, 2, from), 5);
}

TEST(Mclock, TheRestIsByWeight) {
    Traffic traffic{named(kind, "mclock")};
    const auto first = traffic.open(1, 256), second = traffic.open(2, 512);
    traffic.run_backlogged(RealTime{} + milliseconds(2'000), {{first, small, 16}, {second, small, 16}});
    EXPECT_NEAR(static_cast<double>(served_of(traffic, 2, {})) / served_of(traffic, 1, {}), 2.0, 0.02);
}

} // namespace
} // namespace bulkhead::policy_test
