// A domain's parameters change while a ring policy serves it: once heard of, judged as a whole, kept over
// swaps.
#include "tests/unit/host_ring_fixture.hpp"

#include <string>

namespace bulkhead::host_test::ring {
namespace {

using host::Change;

constexpr std::int64_t none[plugin::max_parameters]{};

// What the policies below were told.
struct Told {
    int tunes = 0;
    std::int64_t values[2] = {};
};
Told told;

struct Watcher : ringctl::Policy {
    struct Request : ringctl::Request {};
    explicit Watcher(const auto&) {}
    static void enqueue(Request&, RealTime) {}
    static void withdraw(Request&) {}
    static ringctl::Decision next(RealTime) { return ringctl::Decision::nothing(); }
    static void attach(const Ring& ring) { note(*ring.domain); }
    static void tune(const Domain& domain) {
        ++told.tunes;
        note(domain);
    }
    static void note(const ringctl::Domain& domain) {
        told.values[0] = domain.values[0];
        told.values[1] = domain.values[1];
    }
};
struct First : Watcher {
    using Watcher::Watcher;
    static constexpr plugin::Parameter domain_parameters[] = {
        {"floor", "1/s", "", 5, 0, 1'000},
        {"limit", "1/s", "", 10, 1, 1'000},
    };
    static constexpr ringctl::Text text{"first", "for tests", "tests", "the rest", "none"};
};
// Knows one parameter of First's in another place, and one of another unit.
struct Second : Watcher {
    using Watcher::Watcher;
    static constexpr plugin::Parameter domain_parameters[] = {
        {"limit", "1/s", "", 20, 0, 500},
        {"floor", "KiB/s", "", 30, 0, 1'000},
    };
    static constexpr ringctl::Text text{"second", "for tests", "tests", "the rest", "none"};
};
struct Fixed : First {
    using First::First;
    static constexpr bool changes_values = false;
};

const Plugin first{&ringctl::Registration<First>::descriptor};
const Plugin second{&ringctl::Registration<Second>::descriptor};
const Plugin fixed{&ringctl::Registration<Fixed>::descriptor};

using Row = std::pair<const char*, std::int64_t>;
plugin::ValueChanges changes(std::initializer_list<Row> rows, const char* unit = "1/s") {
    plugin::ValueChanges all{};
    all.kind = plugin::Kind::ring;
    for (const auto& [name, value] : rows) {
        all.keys[all.count] = plugin::key_of(name, unit);
        all.values[all.count++] = value;
    }
    return all;
}

class RingChange : public Rings {
  protected:
    RingChange() {
        told = {};
        machine_.domains[0].io.has_values = true;
        machine_.domains[0].io.values[0] = 7;
        machine_.domains[0].io.values[1] = 8;
    }
    void begin(const Plugin& policy) {
        host_.start(policy, none);
        ASSERT_TRUE(host_.open(machine_.rings[0]));
    }
    void expect_values(std::int64_t one, std::int64_t other) {
        EXPECT_EQ(told.values[0], one);
        EXPECT_EQ(told.values[1], other);
    }
    Change change(std::initializer_list<Row> rows, const char* unit = "1/s") {
        return host_.change(machine_.domains[0], changes(rows, unit));
    }
};

TEST_F(RingChange, ThePolicyHearsOnceOfAllThatChanges) {
    begin(first);
    expect_values(7, 8);
    EXPECT_EQ(change({{"limit", 300}}), Change::done);
    EXPECT_EQ(told.tunes, 1);
    expect_values(7, 300);
    EXPECT_EQ(change({{"limit", 400}, {"floor", 100}}), Change::done);
    EXPECT_EQ(told.tunes, 2);
    expect_values(100, 400);
    machine_.domains[0].io.weight = 99;
    host_.tune(machine_.domains[0]);
    expect_values(100, 400);
}

TEST_F(RingChange, ARefusedChangeLeavesTheFormerValues) {
    begin(first);
    EXPECT_EQ(change({{"floor", 50}, {"limit", 0}}), Change::out_of_range);
    EXPECT_EQ(change({{"floor", 50}, {"limit", 1'001}}), Change::out_of_range);
    EXPECT_EQ(change({{"floor", 50}, {"ceiling", 5}}), Change::unknown);
    EXPECT_EQ(change({{"floor", 50}}, "KiB/s"), Change::unknown);
    EXPECT_EQ(change({}), Change::unknown);
    auto many = changes({{"floor", 50}});
    many.count = UINT32_MAX;
    EXPECT_EQ(host_.change(machine_.domains[0], many), Change::unknown);
    EXPECT_EQ(told.tunes, 0);
    host_.tune(machine_.domains[0]);
    expect_values(7, 8);
}

TEST_F(RingChange, APolicyThatFixesValuesAndTheFallbackTakeNone) {
    begin(fixed);
    EXPECT_EQ(change({{"limit", 300}}), Change::fixed);
    expect_values(7, 8);
    ASSERT_TRUE(host_.replace({&host::fallback_ring_policy()}, none));
    EXPECT_EQ(change({{"limit", 300}}), Change::unknown);
}

// By name and unit; of the values from the start only the first policy hears.
TEST_F(RingChange, ASwapKeepsWhatTheNewPolicyKnows) {
    begin(first);
    EXPECT_EQ(change({{"limit", 300}, {"floor", 100}}), Change::done);
    ASSERT_TRUE(host_.replace(second, none));
    expect_values(300, 30);
    EXPECT_EQ(change({{"floor", 60}}, "KiB/s"), Change::done);
    expect_values(300, 60);
    EXPECT_EQ(change({{"limit", 0}}), Change::done);
    ASSERT_TRUE(host_.replace(first, none));
    expect_values(100, 8); // a limit of 0 is out of this one's range
}

TEST_F(RingChange, WhatChangedBeforeTheFirstRingIsKnownToIt) {
    host_.start(first, none);
    EXPECT_EQ(change({{"limit", 300}}), Change::done);
    EXPECT_EQ(told.tunes, 0);
    ASSERT_TRUE(host_.open(machine_.rings[0]));
    expect_values(7, 300);
}

TEST_F(RingChange, MoreDifferentParametersThanThereIsRoomForAreRefused) {
    host::ChangedValues all;
    std::string name = "a";
    for (std::size_t i = 0; i < host::ChangedValues::most; ++i, ++name[0])
        EXPECT_TRUE(all.note(changes({{name.c_str(), 1}})));
    EXPECT_FALSE(all.note(changes({{"a", 2}, {"one_more", 1}})));
    EXPECT_EQ(all.find(plugin::key_of("a", "1/s")), 1) << "all or none";
    EXPECT_TRUE(all.note(changes({{"a", 2}})));
    EXPECT_EQ(all.find(plugin::key_of("a", "1/s")), 2);
}

} // namespace
} // namespace bulkhead::host_test::ring
