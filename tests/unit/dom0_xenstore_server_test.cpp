#include "dom0_xenstore_guest.hpp"

#include <gtest/gtest.h>

namespace bulkhead::test {
namespace {

using namespace std::string_literals;

class XenstoreServer : public testing::Test {
  protected:
    XenstoreServer() {
        store.make_home(1);
        store.make_home(2);
    }
    Xenstore store;
    Guest one{store, 1};
    Guest two{store, 2};
};

TEST_F(XenstoreServer, ReadsRelativeAndAbsolutePaths) {
    EXPECT_EQ(one.read("name"), "guest1");
    EXPECT_EQ(one.read("/local/domain/1/name"), "guest1");
    EXPECT_EQ(one.read("/local/domain/2/name"), "guest2");
    EXPECT_EQ(one.read("missing"), "!ENOENT");
    EXPECT_EQ(one.list(""), "!EINVAL");
    EXPECT_EQ(one.list("/local/domain"), "1|2|");
    EXPECT_EQ(one.list("/local/domain/1"), "data|name|");
    EXPECT_EQ(one.list("name"), "");
    EXPECT_EQ(one.list("/"), "local|");
    EXPECT_EQ(one.list("device/vbd"), "!ENOENT");
}

TEST_F(XenstoreServer, RepliesCarryTheRequestsNumbers) {
    EXPECT_EQ(one.exchange(XS_READ, "name\0"s, 0), (std::vector<Message>{{XS_READ, 1, 0, "guest1"}}));
    EXPECT_EQ(one.exchange(XS_READ, "name\0"s, 99), (std::vector<Message>{{XS_ERROR, 2, 99, "ENOENT\0"s}}));
}

TEST_F(XenstoreServer, GuestsWriteOnlyBelowTheirOwnData) {
    EXPECT_EQ(one.write("data/a/b", "x"), "OK|");
    EXPECT_EQ(one.read("data/a/b"), "x");
    EXPECT_EQ(one.read("data/a"), "");
    EXPECT_EQ(two.read("/local/domain/1/data/a/b"), "x");
    EXPECT_EQ(two.write("/local/domain/1/data/a/b", "y"), "!EACCES");
    EXPECT_EQ(two.remove("/local/domain/1/data/a"), "!EACCES");
    EXPECT_EQ(one.write("name", "other"), "!EACCES");
    EXPECT_EQ(one.write("new", "x"), "!EACCES");
    EXPECT_EQ(one.write("/new", "x"), "!EACCES");
    EXPECT_EQ(one.remove("/"), "!EACCES");
    EXPECT_EQ(one.read("name"), "guest1");
}

TEST_F(XenstoreServer, NothingIsLearntAboutAHiddenHome) {
    EXPECT_EQ(two.list("/local/domain/1"), "!EACCES");
    EXPECT_EQ(two.read("/local/domain/1/missing"), "!EACCES");
    EXPECT_EQ(one.read("/local/domain/1/missing"), "!ENOENT");
}

TEST_F(XenstoreServer, RemovesWholeSubtreesAndGivesTheirStorageBack) {
    const auto before = store->tree().usage(DomainId{1});
    const auto free = store->tree().blocks().free_blocks();
    EXPECT_EQ(one.write("data/a/b/c", std::string(500, 'v')), "OK|");
    EXPECT_EQ(one.write("data/a/d", "w"), "OK|");
    EXPECT_EQ(store->tree().usage(DomainId{1}).nodes, before.nodes + 4);
    EXPECT_EQ(one.remove("data/a"), "OK|");
    EXPECT_EQ(one.remove("data/a"), "OK|");
    EXPECT_EQ(one.remove("data/a/b"), "!ENOENT");
    EXPECT_EQ(store->tree().usage(DomainId{1}).nodes, before.nodes);
    EXPECT_EQ(store->tree().usage(DomainId{1}).blocks, before.blocks);
    EXPECT_EQ(store->tree().blocks().free_blocks(), free);
}

// Domain ids return at last: neither rights nor nodes of the dead wait for the next domain with one.
TEST_F(XenstoreServer, NothingInTheStoreWaitsForADeadDomainsSuccessor) {
    EXPECT_EQ(one.write("data/secret", "s"), "OK|");
    EXPECT_EQ(Guest::printable(one.ask(XS_SET_PERMS, "data/secret\0n1\0r2\0b3\0"s)), "OK|");
    EXPECT_EQ(one.write("data/inbox", ""), "OK|");
    EXPECT_EQ(Guest::printable(one.ask(XS_SET_PERMS, "data/inbox\0n1\0b2\0"s)), "OK|");
    EXPECT_EQ(two.write("/local/domain/1/data/inbox/of/two", "hello"), "OK|");
    EXPECT_EQ(two.read("/local/domain/1/data/secret"), "s");

    store->forget(DomainId{2});

    EXPECT_EQ(two.read("/local/domain/1/data/secret"), "!EACCES");
    EXPECT_EQ(two.write("/local/domain/1/data/inbox/of/two", "again"), "!EACCES");
    EXPECT_EQ(Guest::printable(one.ask(XS_GET_PERMS, "data/secret\0"s)), "n1|b3|") << "others keep theirs";
    EXPECT_EQ(one.list("data/inbox"), "") << "what the dead domain owned there is gone";
    EXPECT_EQ(store->tree().usage(DomainId{2}).nodes, 0U);
    EXPECT_EQ(store->tree().usage(DomainId{2}).rights, 0U);
    EXPECT_EQ(one.read("data/secret"), "s");
}

TEST_F(XenstoreServer, BadPathsAreInvalid) {
    for (const auto* path : {"", "//", "a//b", "/a/", "a/", "a b", "a.b", "\xff", "/local/domain/1/n*me"})
        EXPECT_EQ(one.read(path), "!EINVAL") << path;
    EXPECT_EQ(one.read(std::string(2048, 'a')), "!EINVAL");
    EXPECT_EQ(one.read("/" + std::string(3072, 'a')), "!EINVAL");
    EXPECT_EQ(one.ask(XS_READ, "name"), "!EINVAL");
    EXPECT_EQ(one.ask(XS_READ, "name\0name\0"s), "!EINVAL");
    EXPECT_EQ(one.ask(XS_READ, ""), "!EINVAL");
}

TEST_F(XenstoreServer, PermissionsCanBeSeenAndChangedByTheOwner) {
    EXPECT_EQ(one.write("data/a", "secret"), "OK|");
    EXPECT_EQ(Guest::printable(one.ask(XS_GET_PERMS, "data/a\0"s)), "r1|");
    EXPECT_EQ(Guest::printable(one.ask(XS_GET_PERMS, "name\0"s)), "r0|");
    EXPECT_EQ(Guest::printable(one.ask(XS_SET_PERMS, "data/a\0n1\0b2\0"s)), "OK|");
    EXPECT_EQ(Guest::printable(one.ask(XS_GET_PERMS, "data/a\0"s)), "n1|b2|");
    EXPECT_EQ(two.write("/local/domain/1/data/a", "shared"), "OK|");
    EXPECT_EQ(two.ask(XS_SET_PERMS, "/local/domain/1/data/a\0b1\0"s), "!EACCES");
    EXPECT_EQ(one.ask(XS_SET_PERMS, "data/a\0n2\0"s), "!EACCES");
    EXPECT_EQ(one.ask(XS_SET_PERMS, "name\0b1\0"s), "!EACCES");
    EXPECT_EQ(one.ask(XS_SET_PERMS, "data/a\0x1\0"s), "!EINVAL");
    EXPECT_EQ(one.ask(XS_SET_PERMS, "data/a\0n1"s), "!EINVAL");
    EXPECT_EQ(one.ask(XS_SET_PERMS, "data/a\0n1\0r2\0r3\0r4\0r5\0r6\0"s), "!ENOSPC");
}

TEST_F(XenstoreServer, DomainQuestions) {
    EXPECT_EQ(Guest::printable(one.ask(XS_GET_DOMAIN_PATH, "7\0"s)), "/local/domain/7|");
    EXPECT_EQ(Guest::printable(one.ask(XS_IS_DOMAIN_INTRODUCED, "2\0"s)), "T|");
    EXPECT_EQ(Guest::printable(one.ask(XS_IS_DOMAIN_INTRODUCED, "3\0"s)), "F|");
    EXPECT_EQ(one.ask(XS_GET_DOMAIN_PATH, "-1\0"s), "!EINVAL");
    EXPECT_EQ(one.ask(XS_GET_DOMAIN_PATH, "99999\0"s), "!EINVAL");
    EXPECT_EQ(one.ask(XS_CONTROL, "check\0"s), "!ENOSYS");
    EXPECT_EQ(one.ask(12345, "x\0"s), "!ENOSYS");
}

TEST_F(XenstoreServer, AnAnswerThatDoesNotFitIsTooBig) {
    for (int i = 0; i < 45; ++i)
        EXPECT_EQ(one.write("data/" + std::string(100, 'x') + std::to_string(i), ""), "OK|");
    EXPECT_EQ(one.list("data"), "!E2BIG");
}

TEST(XenstoreQuota, NodesValuesAndBlocksAreLimitedPerDomain) {
    Xenstore store{{.nodes = 5, .blocks = 40, .value_bytes = 1200}};
    store.make_home(1);
    store.make_home(2);
    Guest one{store, 1};
    Guest two{store, 2};
    EXPECT_EQ(one.write("data/v", std::string(1201, 'x')), "!E2BIG");
    EXPECT_EQ(one.read("data/v"), "!ENOENT") << "a refused write leaves nothing behind";
    EXPECT_EQ(one.write("data/v", std::string(1200, 'x')), "OK|");
    EXPECT_EQ(one.write("data/w", std::string(1200, 'x')), "!ENOSPC");
    EXPECT_EQ(one.write("data/a/b/c/d", ""), "!ENOSPC");
    EXPECT_EQ(one.list("data"), "v|");
    EXPECT_EQ(one.write("data/a/b/c", ""), "OK|");
    EXPECT_EQ(one.write("data/e", ""), "!ENOSPC");
    EXPECT_EQ(two.write("data/a/b/c", ""), "OK|") << "another domain is not affected";
}

} // namespace
} // namespace bulkhead::test
