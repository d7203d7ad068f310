// What single ring policies promise in their files: shares by weight, rates and targets.
#include "tests/policy/traffic.hpp"

namespace bulkhead::policy_test {
namespace {

constexpr auto kind = plugin::Kind::ring;
constexpr std::uint32_t small = 4'096, large = 262'144;

double ratio(Nanos a, Nanos b) { return static_cast<double>(a.count()) / static_cast<double>(b.count()); }

// By default these share the device's time.
class RingShares : public testing::TestWithParam<const char*> {};

TEST_P(RingShares, DeviceTimeIsByWeightWhateverTheSizes) {
    Traffic traffic{named(kind, GetParam())};
    const auto first = traffic.open(1, 256), second = traffic.open(2, 768);
    traffic.run_backlogged(RealTime{} + milliseconds(4'000), {{first, small, 8}, {second, large, 8}});
    const auto time = traffic.device_time();
    EXPECT_NEAR(ratio(time.at(2), time.at(1)), 3.0, 0.05);
}

TEST_P(RingShares, TheNumberOfRingsChangesNothing) {
    Traffic traffic{named(kind, GetParam())};
    std::vector<Traffic::Backlog> guests{{traffic.open(1), small, 8}};
    for (int i = 0; i < 7; ++i)
        guests.push_back({traffic.open(2), small, 8});
    traffic.run_backlogged(RealTime{} + milliseconds(2'000), guests);
    const auto time = traffic.device_time();
    EXPECT_NEAR(ratio(time.at(2), time.at(1)), 1.0, 0.02);
}

// A flush is the work of the domain that asks for it, also where bytes are shared out and it moves none.
TEST_P(RingShares, FlushesArePaidByTheirDomain) {
    for (const std::int64_t unit : {0, 1, 2}) {
        sim::Disk disk;
        disk.flush = milliseconds(2);
        const bool has_quantum = std::string_view{GetParam()} == "drr";
        Traffic traffic{
            named(kind, GetParam(),
                  has_quantum ? std::vector<std::int64_t>{500, unit} : std::vector<std::int64_t>{unit}),
            1, disk};
        const auto reads = traffic.open(1), flushes = traffic.open(2);
        traffic.run_backlogged(RealTime{} + milliseconds(4'000),
                               {{reads, 65'536, 8}, {flushes, 0, 8, 1, ringctl::Operation::flush}});
        std::map<std::uint16_t, double> served;
        for (const Traffic::Event& event : traffic.done)
            served[event.domain] += unit == 0 ? ratio(event.service, Nanos{1'000}) : 1;
        EXPECT_NEAR(served.at(1) / served.at(2), 1.0, 0.02) << unit;
    }
}

INSTANTIATE_TEST_SUITE_P(ByWeight, RingShares, testing::Values("drr", "sfq"));

// How far two domains that are always busy are apart, in any window, in us of the device's time over their
// weights of one and two; and what one of their requests takes over its own.
struct Lead {
    double widest, first, second;
};
Lead lead_after(Traffic& traffic, Nanos duration, std::uint32_t size_of_first, std::uint32_t size_of_second) {
    const auto first = traffic.open(1, 256), second = traffic.open(2, 512);
    traffic.run_backlogged(RealTime{} + duration, {{first, size_of_first, 8}, {second, size_of_second, 8}});
    const sim::Disk disk;
    Lead lead{0, ratio(disk.time(size_of_first, false), Nanos{1'000}),
              ratio(disk.time(size_of_second, false), Nanos{2'000})};
    double now = 0, highest = 0, lowest = 0;
    for (const Traffic::Event& event : traffic.done) {
        now += event.domain == 1 ? ratio(event.service, Nanos{1'000}) : -ratio(event.service, Nanos{2'000});
        highest = std::max(highest, now);
        lowest = std::min(lowest, now);
    }
    lead.widest = highest - lowest;
    return lead;
}

constexpr Nanos long_enough = milliseconds(20'000); // for what is cut off from each request to add up
constexpr double estimate_error = 10; // us, over both: a request that happens to need no seek, a rounding

TEST(Sfq, NoWindowIsFurtherApartThanOneRequestOfEach) {
    for (const auto& [a, b] : {std::pair{small, large}, {large, small}, {512U, 3'072U}}) {
        Traffic traffic{named(kind, "sfq")};
        const Lead lead = lead_after(traffic, long_enough, a, b);
        EXPECT_LE(lead.widest, lead.first + lead.second + estimate_error) << a << ", " << b;
    }
}

TEST(Drr, NoWindowIsFurtherApartThanAQuantumAndOneRequestOfEach) {
    for (const std::int64_t quantum : {100, 500, 3'000}) {
        Traffic traffic{named(kind, "drr", {quantum, 0})};
        const Lead lead = lead_after(traffic, long_enough, small, large);
        EXPECT_LE(lead.widest, static_cast<double>(quantum) + lead.first + lead.second + estimate_error)
            << quantum;
    }
}

// What takes less than a microsecond counts all the same.
TEST(Sfq, ShortRequestsAreNotFree) {
    sim::Disk disk;
    disk.request = disk.seek = Nanos{};
    disk.bytes_per_us = 4'096;
    Traffic traffic{named(kind, "sfq"), 1, disk};
    const auto tiny = traffic.open(1), other = traffic.open(2);
    traffic.run_backlogged(RealTime{} + milliseconds(100), {{tiny, 512, 8}, {other, 8'192, 8}});
    const auto time = traffic.device_time();
    EXPECT_NEAR(ratio(time.at(1), time.at(2)), 1.0, 0.01);
}

// Light domains with equal requests start together, round after round; a heavier one that comes starts with
// them, and waits for what is in service only.
TEST(Sfq, LightDomainsInStepDoNotPrecedeAHeavierOne) {
    sim::Disk disk;
    disk.seek = Nanos{};
    Traffic traffic{named(kind, "sfq"), 1, disk};
    const auto heavy = traffic.open(1, 256);
    std::vector<Traffic::Backlog> light;
    for (std::uint16_t i = 0; i < 8; ++i)
        light.push_back({traffic.open(static_cast<std::uint16_t>(2 + i), 32), small, 4});
    std::map<std::uint64_t, RealTime> asked;
    for (int i = 0; i < 200; ++i) {
        asked[*traffic.submit(heavy, small)] = traffic.now;
        traffic.run_backlogged(traffic.now + microseconds(1'013), light);
    }
    traffic.run_backlogged(traffic.now + milliseconds(5), light);
    for (const Traffic::Event& event : traffic.done)
        if (event.domain == 1) {
            EXPECT_LE(event.at - asked.at(event.number), disk.time(small, true) * 2);
        }
}

// Each of these may have served somebody by a guarantee; that makes no debt towards who comes later.
struct Arrival {
    const char* policy;
    std::vector<std::int64_t> values, stays, goes; // the policy's own; of two domains that are guaranteed all
};
class RingArrivals : public testing::TestWithParam<Arrival> {};

TEST_P(RingArrivals, WhoWasAwayHasNoClaimOnThePast) {
    const Arrival& arrival = GetParam();
    Traffic traffic{named(kind, arrival.policy, arrival.values)};
    const auto stays = traffic.open(1, 256, arrival.stays), goes = traffic.open(2, 256, arrival.goes);
    traffic.run_backlogged(RealTime{} + milliseconds(2'000), {{stays, small, 8}, {goes, small, 8}});
    traffic.close(goes);
    const auto comes = traffic.open(3);
    traffic.done.clear();
    traffic.run_backlogged(RealTime{} + milliseconds(3'000), {{stays, small, 8}, {comes, small, 8}});
    const auto time = traffic.device_time();
    EXPECT_NEAR(ratio(time.at(3), time.at(1)), 1.0, 0.02);
}

INSTANTIATE_TEST_SUITE_P(
    Guaranteed, RingArrivals,
    testing::Values(Arrival{"drr", {}, {}, {}}, Arrival{"sfq", {}, {}, {}},
                    Arrival{"mclock", {}, {1'000, 0}, {1'600, 0}}, Arrival{"mclock", {}, {}, {}},
                    Arrival{"latency_target", {0, 100, 50}, {9'000, 1'000}, {9'000, 1'600}}),
    [](const auto& each) { return each.param.policy + std::string{"_"} + std::to_string(each.index); });

TEST(Drr, ASmallQuantumServesLargeRequests) {
    Traffic traffic{named(kind, "drr", {1, 0})};
    const auto first = traffic.open(1, 1), second = traffic.open(2, 1);
    traffic.run_backlogged(RealTime{} + milliseconds(500), {{first, large, 2}, {second, small, 2}});
    const auto time = traffic.device_time();
    EXPECT_NEAR(ratio(time.at(1), time.at(2)), 1.0, 0.1);
}

// A packet that the network cuts into 50 is 50 requests to a limit, and to shares of requests.
TEST(Parts, CountAsRequestsUnderALimit) {
    for (const auto& [name, value] : {std::pair{"token_bucket", 100}, std::pair{"mclock", 100}}) {
        Traffic traffic{named(kind, name)};
        std::vector<std::int64_t> values(name == std::string{"mclock"} ? 3 : 1);
        values[name == std::string{"mclock"} ? 1 : 0] = value;
        const auto ring = traffic.open(1, 256, values);
        traffic.run_backlogged(RealTime{} + milliseconds(10'000), {{ring, 16'384, 4, 50}});
        EXPECT_GE(traffic.done.size(), 18U) << name;
        EXPECT_LE(traffic.done.size(), 100U * 10 / 50 + 2) << name;
    }
}

TEST(Flushes, CountUnderALimit) {
    for (const auto& policy : {named(kind, "token_bucket"), named(kind, "mclock")}) {
        Traffic traffic{policy};
        std::vector<std::int64_t> values(policy.descriptor->domain_parameter_count);
        values[policy.descriptor->name == std::string_view{"mclock"} ? 1 : 0] = 100;
        const auto ring = traffic.open(1, 256, values);
        traffic.run_backlogged(RealTime{} + milliseconds(10'000),
                               {{ring, 0, 8, 1, ringctl::Operation::flush}});
        EXPECT_NEAR(static_cast<double>(traffic.done.size()), 1'000, 20) << policy.descriptor->name;
    }
}

// Flushes drain the drive for all. A policy with shares leaves a reader its part of the time all the same.
TEST(Flushes, StarveNobody) {
    sim::Disk disk;
    disk.flush = milliseconds(4);
    disk.depth = 4;
    for (const char* name : {"round_robin", "drr", "sfq", "mclock", "latency_target"}) {
        Traffic traffic{named(kind, name), 1, disk};
        const auto reads = traffic.open(1), flushes = traffic.open(2);
        traffic.run_backlogged(RealTime{} + milliseconds(4'000),
                               {{reads, small, 8}, {flushes, 0, 32, 1, ringctl::Operation::flush}});
        std::map<std::uint16_t, int> served;
        for (const Traffic::Event& event : traffic.done)
            ++served[event.domain];
        EXPECT_GE(served[1], served[2] - 5) << name; // a reader's requests are the cheaper ones
        EXPECT_GT(served[2], 100) << name;
    }
}

TEST(Parts, CountAsRequestsInShares) {
    for (const auto& policy : {named(kind, "sfq", {2}), named(kind, "mclock")}) {
        Traffic traffic{policy};
        const auto cut = traffic.open(1), whole = traffic.open(2);
        traffic.run_backlogged(RealTime{} + milliseconds(5'000), {{cut, 4'096, 8, 10}, {whole, 4'096, 8}});
        std::map<std::uint16_t, int> served;
        for (const Traffic::Event& event : traffic.done)
            ++served[event.domain];
        EXPECT_NEAR(static_cast<double>(served[2]) / served[1], 10.0, 0.5) << policy.descriptor->name;
    }
}

TEST(RoundRobinRings, EqualNumbersOfRequests) {
    Traffic traffic{named(kind, "round_robin")};
    const auto first = traffic.open(1), second = traffic.open(2), third = traffic.open(3);
    traffic.run_backlogged(RealTime{} + milliseconds(1'000),
                           {{first, small, 1}, {second, large, 8}, {third, small, 32}});
    std::map<std::uint16_t, int> count;
    for (const Traffic::Event& event : traffic.served)
        ++count[event.domain];
    EXPECT_NEAR(count[2], count[3], 2);
    EXPECT_GE(count[1], 100);
}

// Tokens served in any window of length w: at most burst + rate * w.
TEST(TokenBucket, NoWindowHasMoreThanTheRateAndABurst) {
    constexpr std::int64_t rate = 200, burst = 10;
    Traffic traffic{named(kind, "token_bucket", {rate, burst})};
    const auto first = traffic.open(1), second = traffic.open(2, 256, {400});
    for (int round = 0; round < 4; ++round) { // busy and quiet in turn, so that bursts are saved up
        const auto begin = traffic.now;
        traffic.run_backlogged(begin + milliseconds(400), {{first, small, 32}, {second, small, 32}});
        traffic.run_until(begin + milliseconds(700));
    }
    const std::map<std::uint16_t, std::int64_t> rates{{1, rate}, {2, 400}};
    std::map<std::uint16_t, std::vector<RealTime>> times;
    for (const Traffic::Event& event : traffic.served)
        times[event.domain].push_back(event.at);
    for (const auto& [domain, served] : times) {
        EXPECT_GT(served.size(), 300U);
        for (std::size_t i = 0; i < served.size(); ++i)
            for (std::size_t j = i; j < served.size(); ++j) {
                const auto window = static_cast<double>((served[j] - served[i]).count()) * 1e-9;
                ASSERT_LE(static_cast<double>(j - i + 1),
                          static_cast<double>(burst) + static_cast<double>(rates.at(domain)) * window + 1e-6)
                    << "domain " << domain;
            }
    }
}

TEST(TokenBucket, ALargeRequestCountsForItsSize) {
    Traffic traffic{named(kind, "token_bucket", {100, 4})};
    const auto ring = traffic.open(1);
    traffic.run_backlogged(RealTime{} + milliseconds(1'000), {{ring, large, 8}}); // four tokens each
    EXPECT_NEAR(static_cast<double>(traffic.served.size()), 26.0, 1.0);
}

// A guest that asks for 4 KiB by timetable beside others that never stop asking. How long its answers take.
class LatencyTargets : public testing::Test {
  protected:
    void start(std::vector<std::int64_t> values = {0, 100, 50}, std::uint32_t depth = 1) {
        sim::Disk disk;
        disk.depth = depth;
        traffic_ = std::make_unique<Traffic>(named(kind, "latency_target", std::move(values)), 1, disk);
    }
    // The longest of those that were asked for in the second half.
    Nanos ask(std::uint32_t ring, Nanos period, int times, const std::vector<Traffic::Backlog>& others) {
        std::map<std::uint64_t, RealTime> asked;
        const RealTime half = traffic_->now + period * (times / 2);
        for (int i = 0; i < times; ++i) {
            if (const auto number = traffic_->submit(ring, small))
                asked[*number] = traffic_->now;
            traffic_->run_backlogged(traffic_->now + period, others);
        }
        traffic_->run_backlogged(traffic_->now + milliseconds(50), others);
        std::map<std::uint64_t, RealTime> answered;
        for (const Traffic::Event& event : traffic_->done)
            answered[event.number] = event.at;
        Nanos longest{};
        for (const auto& [number, at] : asked)
            if (at >= half)
                longest = std::max(longest, answered.at(number) - at);
        return longest;
    }
    std::unique_ptr<Traffic> traffic_;
};

TEST_F(LatencyTargets, AreKeptButForOneRequestNextToThoseWhoAskForAll) {
    for (const std::uint32_t size : {512u, small, large}) {
        start();
        const auto ring = traffic_->open(1, 16, {2'000, 1'000}), flood = traffic_->open(2, 4'096);
        const Nanos longest = ask(ring, milliseconds(1), 1'000, {{flood, size, 32}});
        EXPECT_LE(longest, milliseconds(2) + sim::Disk{}.time(large, false)) << size;
        EXPECT_GT(traffic_->device_time().at(2), milliseconds(400)); // and the rest is not wasted
    }
}

TEST_F(LatencyTargets, TheEarliestDeadlineIsFirst) {
    start();
    const auto urgent = traffic_->open(1, 256, {1'000, 500}),
               patient = traffic_->open(2, 256, {50'000, 1'000});
    for (int i = 0; i < 30; ++i)
        traffic_->submit(patient, small);
    EXPECT_LE(ask(urgent, milliseconds(2), 4, {}), milliseconds(1));
}

TEST_F(LatencyTargets, WhoGoesBeyondItsRateHasNoMoreThanItsWeight) {
    start();
    const auto greedy = traffic_->open(1, 256, {2'000, 200}), other = traffic_->open(2, 256);
    traffic_->run_backlogged(RealTime{} + milliseconds(2'000), {{greedy, small, 16}, {other, small, 16}});
    const auto time = traffic_->device_time();
    EXPECT_NEAR(ratio(time.at(1), time.at(2)), 1.0, 0.02);
}

TEST_F(LatencyTargets, WithoutATargetAllIsByWeight) {
    start();
    const auto first = traffic_->open(1, 256), second = traffic_->open(2, 768);
    traffic_->run_backlogged(RealTime{} + milliseconds(4'000), {{first, small, 8}, {second, large, 8}});
    const auto time = traffic_->device_time();
    EXPECT_NEAR(ratio(time.at(2), time.at(1)), 3.0, 0.05);
}

// A device that holds 16 requests would make everybody wait for 16.
TEST_F(LatencyTargets, TheDeviceHoldsLessWhileTheyAreMissed) {
    start({0, 100, 50}, 16);
    const auto ring = traffic_->open(1, 256, {2'000, 1'000}), flood = traffic_->open(2, 256);
    EXPECT_LE(ask(ring, milliseconds(1), 2'000, {{flood, small, 32}}), microseconds(2'500));
    traffic_->run_backlogged(traffic_->now + milliseconds(2'000), {{flood, small, 32}});
    EXPECT_EQ(traffic_->host.in_service(), 16U); // nobody was promised anything lately
}

} // namespace
} // namespace bulkhead::policy_test
