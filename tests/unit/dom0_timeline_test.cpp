#include "guest/dom0/life.hpp"
#include "guest/dom0/timeline.hpp"

#include <array>
#include <gtest/gtest.h>

namespace bulkhead::test {
namespace {

using dom0::Backoff;
using dom0::Fate;
using dom0::fate_of;
using dom0::Timeline;
using manifest::Action;
using manifest::OnCrash;

constexpr std::array entries{
    manifest::TimelineEntry{.at = 10, .action = Action::unpause, .target = 0, .argument = 0},
    manifest::TimelineEntry{.at = 10, .action = Action::pause, .target = 0, .argument = 0},
    manifest::TimelineEntry{.at = 30, .action = Action::create, .target = 2, .argument = 0},
};

TEST(Timeline, HandsOutDueEntriesInOrderAndOnce) {
    Timeline timeline{entries};
    EXPECT_EQ(timeline.next(), Nanos{10});
    EXPECT_FALSE(timeline.take_due(Nanos{9}).has_value());
    EXPECT_EQ(timeline.take_due(Nanos{10})->action, Action::unpause);
    EXPECT_EQ(timeline.take_due(Nanos{10})->action, Action::pause);
    EXPECT_FALSE(timeline.take_due(Nanos{10}).has_value());
    EXPECT_EQ(timeline.next(), Nanos{30});
}

TEST(Timeline, LateEntriesAreNotLost) {
    Timeline timeline{entries};
    int taken = 0;
    while (timeline.take_due(Nanos{1'000'000}))
        ++taken;
    EXPECT_EQ(taken, 3);
    EXPECT_FALSE(timeline.next().has_value());
}

TEST(Timeline, KnowsWhetherItWillCreateGuests) {
    Timeline timeline{entries};
    EXPECT_TRUE(timeline.will_create());
    while (timeline.take_due(Nanos{30}))
        continue;
    EXPECT_FALSE(timeline.will_create());
    EXPECT_FALSE(Timeline{}.next().has_value());
}

TEST(Timeline, AStopMayHideCreations) {
    constexpr std::array hidden{
        manifest::TimelineEntry{.at = 5, .action = Action::pause, .target = 0, .argument = 0},
        manifest::TimelineEntry{.at = 9, .action = Action::stop, .target = 0, .argument = 1},
    };
    constexpr std::array none{
        manifest::TimelineEntry{.at = 9, .action = Action::stop, .target = 0, .argument = 0}};
    EXPECT_TRUE(Timeline{hidden}.will_create());
    EXPECT_FALSE(Timeline{none}.will_create());
}

TEST(Timeline, CountsWhatItHandedOut) {
    Timeline timeline{entries};
    EXPECT_EQ(timeline.taken(), 0u);
    static_cast<void>(timeline.take_due(Nanos{10}));
    static_cast<void>(timeline.take_due(Nanos{10}));
    static_cast<void>(timeline.take_due(Nanos{10})); // none is due
    EXPECT_EQ(timeline.taken(), 2u);
}

TEST(Life, APoweroffIsNoCrashAndARebootStartsAgain) {
    for (const auto rule : {OnCrash::destroy, OnCrash::preserve, OnCrash::restart}) {
        EXPECT_EQ(fate_of(SHUTDOWN_poweroff, rule), Fate::destroy);
        EXPECT_EQ(fate_of(SHUTDOWN_reboot, rule), Fate::restart);
    }
    EXPECT_FALSE(dom0::is_crash(SHUTDOWN_poweroff));
    EXPECT_FALSE(dom0::is_crash(SHUTDOWN_reboot));
}

TEST(Life, EveryOtherEndIsACrashAndFollowsTheRule) {
    for (const unsigned reason : {0U + SHUTDOWN_crash, 0U + SHUTDOWN_watchdog, 0U + SHUTDOWN_suspend,
                                  0U + SHUTDOWN_soft_reset, 200U}) {
        EXPECT_TRUE(dom0::is_crash(reason));
        EXPECT_EQ(fate_of(reason, OnCrash::destroy), Fate::destroy);
        EXPECT_EQ(fate_of(reason, OnCrash::preserve), Fate::preserve);
        EXPECT_EQ(fate_of(reason, OnCrash::restart), Fate::restart);
    }
}

TEST(Life, QuickRestartsArePutOffLongerAndLonger) {
    Backoff backoff;
    EXPECT_EQ(backoff.next(Nanos{0}), Backoff::shortest);
    EXPECT_EQ(backoff.next(Nanos{0}), Backoff::shortest * 2);
    EXPECT_EQ(backoff.next(milliseconds(9'999)), Backoff::shortest * 4);
    for (int i = 0; i < 100; ++i)
        EXPECT_LE(backoff.next(Nanos{0}), Backoff::longest);
    EXPECT_EQ(backoff.next(Nanos{0}), Backoff::longest);
    EXPECT_EQ(backoff.next(Backoff::longest), Backoff::shortest);
}

} // namespace
} // namespace bulkhead::test
