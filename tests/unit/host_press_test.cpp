// How much time a host withholds from a guest that keeps frames which are wanted by force.
#include "host/press.hpp"

#include <gtest/gtest.h>

namespace bulkhead::host {
namespace {

using memctl::Frames;

int held_of(Press& press, int turns, Frames has) {
    int held = 0;
    for (int i = 0; i < turns; ++i) {
        press.next_turn(has);
        held += press.holds() ? 1 : 0;
    }
    return held;
}

TEST(Press, ItGrowsWhileNothingComesBackAndLeavesAQuarter) {
    Press press;
    EXPECT_EQ(held_of(press, 8, Frames{100}), 0) << "nobody wants anything";
    press.want(true);
    EXPECT_EQ(held_of(press, 4, Frames{100}), 1);
    EXPECT_EQ(press.withheld(), 250U);
    EXPECT_EQ(held_of(press, 4, Frames{100}), 2);
    EXPECT_EQ(held_of(press, 4, Frames{101}), 3);
    EXPECT_EQ(held_of(press, 400, Frames{101}), 300);
    EXPECT_EQ(press.withheld(), 750U);
}

TEST(Press, AGuestThatGivesBackIsNotPressedHarder) {
    Press press;
    press.want(true);
    for (std::int64_t has = 100; has > 90; --has) {
        EXPECT_EQ(held_of(press, 4, Frames{has}), 1);
        press.want(true);
    }
    EXPECT_EQ(held_of(press, 4, Frames{91}), 2);
}

TEST(Press, ItEndsAtOnceAndBeginsMildly) {
    Press press;
    press.want(true);
    held_of(press, 41, Frames{100});
    ASSERT_TRUE(press.holds());
    press.want(false);
    EXPECT_FALSE(press.holds());
    EXPECT_EQ(press.withheld(), 0U);
    EXPECT_EQ(held_of(press, 8, Frames{100}), 0);
    press.want(true);
    EXPECT_FALSE(press.holds()) << "not before the next turn";
    EXPECT_EQ(held_of(press, 4, Frames{100}), 1);
}

} // namespace
} // namespace bulkhead::host
