#include "dom0_xenstore_guest.hpp"

#include <gtest/gtest.h>

namespace bulkhead::test {
namespace {

using namespace std::string_literals;
using Events = std::vector<std::string>;

class XenstoreWatch : public testing::Test {
  protected:
    XenstoreWatch() {
        store.make_home(1);
        store.make_home(2);
    }
    Xenstore store;
    Guest one{store, 1};
    Guest two{store, 2};
};

TEST_F(XenstoreWatch, FiresOnceAtTheStartAfterTheReply) {
    const auto messages = one.exchange(XS_WATCH, "data\0tok\0"s);
    ASSERT_EQ(messages.size(), 2U);
    EXPECT_EQ(messages[0], (Message{XS_WATCH, 1, 0, "OK\0"s}));
    EXPECT_EQ(messages[1], (Message{XS_WATCH_EVENT, 0, 0, "data\0tok\0"s}));
}

TEST_F(XenstoreWatch, FiresOnChangesAtAndBelowItsPath) {
    EXPECT_EQ(two.watch("/local/domain/1/data/a", "tok"), "OK|");
    EXPECT_EQ(two.events(), Events{"/local/domain/1/data/a|tok|"});
    one.write("data/a", "x");
    one.write("data/ab", "x");
    one.write("data/b", "x");
    one.write("data/a/c", "x");
    one.remove("data/a/c");
    EXPECT_EQ(two.events(), (Events{"/local/domain/1/data/a|tok|", "/local/domain/1/data/a/c|tok|",
                                    "/local/domain/1/data/a/c|tok|"}));
}

TEST_F(XenstoreWatch, RemovingWhatIsAboveFiresWithTheWatchedPath) {
    one.write("data/a/b", "x");
    EXPECT_EQ(two.watch("/local/domain/1/data/a/b", "tok"), "OK|");
    two.events();
    one.remove("data/a");
    EXPECT_TRUE(two.received().empty() && two.connection().output.empty());
    store->send_due_events(two.connection());
    EXPECT_EQ(two.events(), Events{"/local/domain/1/data/a/b|tok|"});
}

TEST_F(XenstoreWatch, NothingHappensToAWatchedPathThatIsNotThere) {
    one.write("data/a/b", "x");
    EXPECT_EQ(two.watch("/local/domain/1/data/a/c", "tok"), "OK|");
    two.events();
    one.remove("data/a");
    store->send_due_events(two.connection());
    EXPECT_TRUE(two.events().empty());
}

TEST_F(XenstoreWatch, RelativeWatchesGetRelativeEvents) {
    EXPECT_EQ(one.watch("data", "tok"), "OK|");
    EXPECT_EQ(one.events(), Events{"data|tok|"});
    one.write("/local/domain/1/data/a", "x");
    EXPECT_EQ(one.events(), Events{"data/a|tok|"});
}

TEST_F(XenstoreWatch, TellsNothingThatMayNotBeRead) {
    EXPECT_EQ(two.watch("/local/domain/1", "tok"), "OK|");
    two.events();
    EXPECT_TRUE(store->write(xenstore::Path::home_of(DomainId{1}) / "hidden", "x"));
    EXPECT_TRUE(two.events().empty());
    one.write("data/seen", "x");
    EXPECT_EQ(two.events(), Events{"/local/domain/1/data/seen|tok|"});
}

TEST_F(XenstoreWatch, CanBeTakenBackOnce) {
    EXPECT_EQ(one.watch("data", "tok"), "OK|");
    EXPECT_EQ(one.watch("data", "tok"), "!EEXIST");
    EXPECT_EQ(one.watch("data", "other"), "OK|");
    EXPECT_EQ(Guest::printable(one.ask(XS_UNWATCH, "data\0tok\0"s)), "OK|");
    EXPECT_EQ(one.ask(XS_UNWATCH, "data\0tok\0"s), "!ENOENT");
    one.events();
    one.write("data/a", "x");
    EXPECT_EQ(one.events(), Events{"data/a|other|"});
}

TEST_F(XenstoreWatch, NumberIsLimited) {
    for (std::size_t i = 0; i < xenstore::max_watches; ++i)
        EXPECT_EQ(one.watch("data", std::to_string(i)), "OK|");
    EXPECT_EQ(one.watch("data", "more"), "!ENOSPC");
    EXPECT_EQ(two.watch("data", "0"), "OK|");
}

TEST_F(XenstoreWatch, BadRequestsAreInvalid) {
    EXPECT_EQ(one.ask(XS_WATCH, "data\0tok"s), "!EINVAL");
    EXPECT_EQ(one.ask(XS_WATCH, "data\0"s), "!EINVAL");
    EXPECT_EQ(one.ask(XS_WATCH, "data\0a\0b\0"s), "!EINVAL");
    EXPECT_EQ(one.watch("bad path", "tok"), "!EINVAL");
}

// Nobody reads: the output stays bounded, and afterwards one event says that something changed.
TEST_F(XenstoreWatch, FloodOfAReaderThatDoesNotReadIsMergedAndNotLost) {
    EXPECT_EQ(two.watch("/local/domain/1/data", "tok"), "OK|");
    two.events();
    for (int i = 0; i < 10'000; ++i)
        one.write("data/a", std::to_string(i));
    EXPECT_GE(two.connection().output.room(), xenstore::max_message);
    const auto flood = two.events();
    EXPECT_EQ(flood.back(), "/local/domain/1/data/a|tok|");
    store->send_due_events(two.connection());
    EXPECT_EQ(two.events(), Events{"/local/domain/1/data|tok|"});
}

TEST_F(XenstoreWatch, DisappearsWithItsGuest) {
    const auto before = store->tree().usage(DomainId{3}).blocks;
    {
        Guest three{store, 3};
        EXPECT_EQ(three.watch("/local/domain/1/data", "tok"), "OK|");
        EXPECT_TRUE(store->is_introduced(DomainId{3}));
    }
    EXPECT_FALSE(store->is_introduced(DomainId{3}));
    EXPECT_EQ(store->tree().usage(DomainId{3}).blocks, before);
    EXPECT_EQ(one.write("data/a", "x"), "OK|");
}

} // namespace
} // namespace bulkhead::test
