// What a guest can make xenstore do: nothing here may grow with what other guests have, nor with what a
// transaction has done before. Costs are steps of the meter: blocks, nodes and watches visited.
#include "dom0_xenstore_guest.hpp"

#include <gtest/gtest.h>

namespace bulkhead::test {
namespace {

using namespace std::string_literals;

class XenstoreCost : public testing::Test {
  protected:
    // The steps that something takes.
    template<class Act>
    std::uint64_t steps(Act act) {
        const auto& meter = store->tree().blocks().meter();
        const auto before = meter.steps();
        act();
        return meter.steps() - before;
    }
    std::uint64_t building(std::uint16_t id) {
        return steps([&] { store.make_home(id); });
    }

    Xenstore store{{}, 60'000, 60'000};
};

TEST_F(XenstoreCost, AReadInATransactionCostsNoMoreThanOutside) {
    store.make_home(1);
    Guest one{store, 1};
    const auto outside = steps([&] { EXPECT_EQ(one.read("name"), "guest1"); });
    const auto t = one.begin();
    for (std::size_t i = 0; i < 20; ++i)
        EXPECT_EQ(one.write("data/" + std::to_string(i), std::string(2000, 'x'), t), "OK|");
    EXPECT_LE(steps([&] { EXPECT_EQ(one.read("name", t), "guest1"); }), outside + 20);
    EXPECT_LE(steps([&] { EXPECT_EQ(one.write("data/0", "y", t), "OK|"); }), outside + 100);
    EXPECT_EQ(one.end(t), "OK|");
}

TEST_F(XenstoreCost, BuildingTheLastGuestCostsAsMuchAsTheFirst) {
    const auto first = building(1);
    for (std::uint16_t id = 2; id < 500; ++id)
        store.make_home(id);
    EXPECT_LE(building(500), first + first / 4);
}

TEST_F(XenstoreCost, WatchesElsewhereCostNothing) {
    store.make_home(1);
    Guest one{store, 1};
    const auto alone = steps([&] { EXPECT_EQ(one.write("data/a", "x"), "OK|"); });
    std::vector<std::unique_ptr<Guest>> others;
    for (std::uint16_t id = 2; id < 40; ++id) {
        store.make_home(id);
        others.push_back(std::make_unique<Guest>(store, id));
        for (std::size_t i = 0; i < xenstore::max_watches; ++i)
            EXPECT_EQ(others.back()->watch("data/" + std::to_string(i), "tok"), "OK|");
    }
    EXPECT_LE(steps([&] { EXPECT_EQ(one.write("data/a", "y"), "OK|"); }), alone + 20);
}

TEST_F(XenstoreCost, ManyNodesInOneFolderCostNoLookupMore) {
    store.make_home(1);
    Guest one{store, 1};
    EXPECT_EQ(one.write("data/first", "x"), "OK|");
    for (int i = 0; i < 900; ++i)
        EXPECT_EQ(one.write("data/n" + std::to_string(i), ""), "OK|");
    EXPECT_LE(steps([&] { EXPECT_EQ(one.read("data/n899"), ""); }), 40U);
    EXPECT_LE(steps([&] { EXPECT_EQ(one.write("data/last", ""), "OK|"); }), 40U);
}

// A guest that watches everything with many tokens is told a few times, and pays for the rest in its own
// turns.
TEST_F(XenstoreCost, AWriteTellsEachWatcherAFewTimesAtMost) {
    store.make_home(1);
    Guest one{store, 1};
    const auto alone = steps([&] { EXPECT_EQ(one.write("data/a", "x"), "OK|"); });
    store.make_home(2);
    Guest two{store, 2};
    for (std::size_t i = 0; i < xenstore::max_watches; ++i)
        EXPECT_EQ(two.watch("/", std::to_string(i)), "OK|");
    two.events();
    EXPECT_LE(steps([&] { EXPECT_EQ(one.write("data/a", "y"), "OK|"); }), alone + 3 * xenstore::max_watches);
    store->send_due_events(two.connection());
    EXPECT_EQ(two.events().size(), xenstore::max_watches) << "nothing is lost";
}

} // namespace
} // namespace bulkhead::test
