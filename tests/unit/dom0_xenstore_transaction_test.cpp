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

} // namespace
} // namespace bulkhead::test
