#include "dom0_xenstore_guest.hpp"

#include <gtest/gtest.h>

namespace bulkhead::test {
namespace {

using namespace std::string_literals;

class XenstoreTransaction : public testing::Test {
  protected:
    XenstoreTransaction() {
        store.make_home(1);
        store.make_home(2);
    }
    Xenstore store;
    Guest one{store, 1};
    Guest two{store, 2};
};

TEST_F(XenstoreTransaction, IsSeenFromInsideAndFromOutsideOnlyAfterItsEnd) {
    const auto t = one.begin();
    EXPECT_EQ(one.write("data/a/b", "x", t), "OK|");
    EXPECT_EQ(one.read("data/a/b", t), "x");
    EXPECT_EQ(one.list("data", t), "a|");
    EXPECT_EQ(one.read("data/a/b"), "!ENOENT");
    EXPECT_EQ(two.read("/local/domain/1/data/a/b"), "!ENOENT");
    EXPECT_EQ(one.end(t), "OK|");
    EXPECT_EQ(two.read("/local/domain/1/data/a/b"), "x");
    EXPECT_EQ(one.end(t), "!ENOENT");
}

TEST_F(XenstoreTransaction, GivenUpLeavesNothing) {
    const auto before = store->tree().usage(DomainId{1}).blocks;
    const auto t = one.begin();
    EXPECT_EQ(one.write("data/a", "x", t), "OK|");
    EXPECT_EQ(one.remove("data/a", t), "OK|");
    EXPECT_EQ(one.write("data/a", "y", t), "OK|");
    EXPECT_EQ(one.read("data/a", t), "y");
    EXPECT_EQ(one.end(t, false), "OK|");
    EXPECT_EQ(one.read("data/a"), "!ENOENT");
    EXPECT_EQ(store->tree().usage(DomainId{1}).blocks, before);
}

TEST_F(XenstoreTransaction, AChangeWhereItLookedMakesItFail) {
    const auto t = one.begin();
    EXPECT_EQ(one.read("data/a", t), "!ENOENT");
    EXPECT_EQ(one.write("data/b", "from a", t), "OK|");
    EXPECT_EQ(one.write("data/a", "meanwhile"), "OK|");
    EXPECT_EQ(one.end(t), "!EAGAIN");
    EXPECT_EQ(one.read("data/b"), "!ENOENT");
}

TEST_F(XenstoreTransaction, ChangesInOtherHomesDoNotDisturbIt) {
    const auto t = one.begin();
    EXPECT_EQ(one.write("data/a", "x", t), "OK|");
    EXPECT_EQ(two.write("data/noise", "x"), "OK|");
    store.make_home(3);
    EXPECT_EQ(one.end(t), "OK|");
}

TEST_F(XenstoreTransaction, AForeignChangeWhereItReadMakesItFail) {
    const auto t = one.begin();
    EXPECT_EQ(one.read("/local/domain/2/data/x", t), "!ENOENT");
    EXPECT_EQ(two.write("data/x", "now"), "OK|");
    EXPECT_EQ(one.end(t), "!EAGAIN");
    const auto u = one.begin();
    EXPECT_EQ(one.list("/local/domain", u), "1|2|");
    store.make_home(3);
    EXPECT_EQ(one.end(u), "!EAGAIN");
}

TEST_F(XenstoreTransaction, TwoThatCrossCannotBothSucceed) {
    const auto t = one.begin();
    const auto u = one.begin();
    EXPECT_EQ(one.read("data/n", t), "!ENOENT");
    EXPECT_EQ(one.read("data/n", u), "!ENOENT");
    EXPECT_EQ(one.write("data/n", "1", t), "OK|");
    EXPECT_EQ(one.write("data/n", "1", u), "OK|");
    EXPECT_EQ(one.end(t), "OK|");
    EXPECT_EQ(one.end(u), "!EAGAIN");
}

TEST_F(XenstoreTransaction, BelongsToItsConnection) {
    const auto t = one.begin();
    EXPECT_EQ(two.read("name", t), "!ENOENT");
    EXPECT_EQ(two.end(t), "!ENOENT");
    EXPECT_EQ(one.end(t), "OK|");
}

TEST_F(XenstoreTransaction, NumberAndSizeAreLimited) {
    const auto first = one.begin();
    for (std::size_t i = 1; i < xenstore::max_transactions; ++i)
        one.begin();
    EXPECT_EQ(one.ask(XS_TRANSACTION_START, "\0"s), "!ENOSPC");
    EXPECT_EQ(one.ask(XS_TRANSACTION_START, "\0"s, first), "!EBUSY");
    for (std::size_t i = 0; i < xenstore::Transaction::max_writes; ++i)
        EXPECT_EQ(one.write("data/" + std::to_string(i), "x", first), "OK|");
    EXPECT_EQ(one.write("data/more", "x", first), "!ENOSPC");
    EXPECT_EQ(one.end(first), "OK|");
    EXPECT_EQ(one.read("data/31"), "x");
    EXPECT_EQ(one.ask(XS_TRANSACTION_END, "X\0"s, first), "!EINVAL");
    EXPECT_EQ(one.end(0), "!ENOENT");
}

TEST_F(XenstoreTransaction, FiresWatchesOnlyWhenKept) {
    EXPECT_EQ(two.watch("/local/domain/1/data", "tok"), "OK|");
    two.events();
    const auto t = one.begin();
    EXPECT_EQ(one.write("data/a", "x", t), "OK|");
    EXPECT_TRUE(two.events().empty());
    EXPECT_EQ(one.end(t), "OK|");
    EXPECT_EQ(two.events(), std::vector<std::string>{"/local/domain/1/data/a|tok|"});
}

TEST_F(XenstoreTransaction, ResetDropsAllOfThem) {
    const auto before = store->tree().usage(DomainId{1}).blocks;
    const auto t = one.begin();
    EXPECT_EQ(one.write("data/a", "x", t), "OK|");
    EXPECT_EQ(one.watch("data", "tok"), "OK|");
    EXPECT_EQ(Guest::printable(one.ask(XS_RESET_WATCHES, "\0"s)), "OK|");
    EXPECT_EQ(one.end(t), "!ENOENT");
    EXPECT_EQ(store->tree().usage(DomainId{1}).blocks, before);
}

TEST_F(XenstoreTransaction, WhatItRemovedAndMadeAgainIsEmpty) {
    EXPECT_EQ(one.write("data/a/old", "x"), "OK|");
    EXPECT_EQ(one.write("data/a", "value"), "OK|");
    const auto t = one.begin();
    EXPECT_EQ(one.remove("data/a", t), "OK|");
    EXPECT_EQ(one.read("data/a", t), "!ENOENT");
    EXPECT_EQ(one.list("data", t), "");
    EXPECT_EQ(one.write("data/a/new", "y", t), "OK|");
    EXPECT_EQ(one.read("data/a", t), "");
    EXPECT_EQ(one.list("data", t), "a|");
    EXPECT_EQ(one.list("data/a", t), "new|");
    EXPECT_EQ(one.read("data/a/old", t), "!ENOENT");
    EXPECT_EQ(one.list("data/a"), "old|");
    EXPECT_EQ(one.end(t), "OK|");
    EXPECT_EQ(one.list("data/a"), "new|");
    EXPECT_EQ(one.read("data/a"), "");
}

TEST_F(XenstoreTransaction, PermissionsCountInsideOfIt) {
    EXPECT_EQ(one.write("data/a", "x"), "OK|");
    const auto t = one.begin();
    EXPECT_EQ(Guest::printable(one.ask(XS_SET_PERMS, "data/a\0n1\0b2\0"s, t)), "OK|");
    EXPECT_EQ(Guest::printable(one.ask(XS_GET_PERMS, "data/a\0"s, t)), "n1|b2|");
    EXPECT_EQ(Guest::printable(one.ask(XS_GET_PERMS, "data/a\0"s)), "r1|");
    EXPECT_EQ(one.read("data/a", t), "x") << "the value is still the tree's";
    EXPECT_EQ(one.write("data/a/b", "y", t), "OK|");
    EXPECT_EQ(Guest::printable(one.ask(XS_GET_PERMS, "data/a/b\0"s, t)), "n1|b2|");
    EXPECT_EQ(two.ask(XS_WRITE, "/local/domain/1/data/a\0z"s), "!EACCES");
    EXPECT_EQ(one.end(t), "OK|");
    EXPECT_EQ(two.write("/local/domain/1/data/a", "z"), "OK|");
}

TEST_F(XenstoreTransaction, ARequestThatFailsLeavesNothingInIt) {
    Xenstore small{{.nodes = 9, .shadows = 3, .blocks = 60, .value_bytes = 600}};
    small.make_home(1);
    Guest guest{small, 1};
    const auto before = small->tree().usage(DomainId{1});
    const auto t = guest.begin();
    EXPECT_EQ(guest.write("data/a/b/c/d", "x", t), "!ENOSPC");
    EXPECT_EQ(guest.list("data", t), "");
    EXPECT_EQ(guest.write("data/v", std::string(601, 'x'), t), "!E2BIG");
    EXPECT_EQ(guest.list("data", t), "");
    EXPECT_EQ(guest.write("data/a/b/c", "x", t), "OK|");
    EXPECT_EQ(guest.write("data/d", "x", t), "!ENOSPC") << "of shadows, not of nodes";
    EXPECT_EQ(guest.end(t), "OK|");
    EXPECT_EQ(guest.read("data/a/b/c"), "x");
    const auto after = small->tree().usage(DomainId{1});
    EXPECT_EQ(after.shadows, 0U);
    EXPECT_EQ(after.nodes, before.nodes + 3);
}

// The tree loses what the transaction saw: it cannot win any more, and what it shows is its own.
TEST_F(XenstoreTransaction, LivesOnWhenTheTreeBelowItGoes) {
    EXPECT_EQ(one.write("data/a/b", "x"), "OK|");
    const auto t = one.begin();
    EXPECT_EQ(one.write("data/a/b", "mine", t), "OK|");
    EXPECT_EQ(Guest::printable(one.ask(XS_SET_PERMS, "data/a\0n1\0"s, t)), "OK|");
    EXPECT_EQ(one.remove("data/a"), "OK|");
    EXPECT_EQ(one.write("data/c", "other"), "OK|");
    EXPECT_EQ(one.list("data", t), "c|");
    EXPECT_EQ(one.write("data/a/b", "again", t), "OK|");
    EXPECT_EQ(one.read("data/a/b", t), "again");
    EXPECT_EQ(one.end(t), "!EAGAIN");
    EXPECT_EQ(one.read("data/a/b"), "!ENOENT");
    EXPECT_EQ(store->tree().usage(DomainId{1}).shadows, 0U);
}

} // namespace
} // namespace bulkhead::test
