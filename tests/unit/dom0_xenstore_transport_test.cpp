#include "dom0_xenstore_guest.hpp"

#include <gtest/gtest.h>

namespace bulkhead::test {
namespace {

using namespace std::string_literals;

class XenstoreRing : public testing::Test {
  protected:
    XenstoreRing() { store.make_home(1); }

    static std::string message(std::uint32_t type, const std::string& body, std::uint32_t number = 0) {
        const xsd_sockmsg header{type, number, 0, static_cast<std::uint32_t>(body.size())};
        return std::string{reinterpret_cast<const char*>(&header), sizeof header} + body;
    }
    // As many bytes as fit; returns how many.
    std::size_t put(std::string_view bytes) {
        std::size_t done = 0;
        while (done < bytes.size() && ring.req_prod - ring.req_cons < XENSTORE_RING_SIZE)
            ring.req[MASK_XENSTORE_IDX(ring.req_prod++)] = bytes[done++];
        return done;
    }
    std::string take() {
        std::string bytes;
        while (ring.rsp_cons != ring.rsp_prod)
            bytes += ring.rsp[MASK_XENSTORE_IDX(ring.rsp_cons++)];
        return bytes;
    }
    xenstore::Progress serve() { return xenstore::serve(*store, guest.connection(), ring); }

    Xenstore store;
    Guest guest{store, 1};
    xenstore_domain_interface ring{};
};

TEST_F(XenstoreRing, CarriesARequestAndItsReply) {
    xenstore::open_ring(ring);
    EXPECT_EQ(ring.server_features, unsigned{XENSTORE_SERVER_FEATURE_ERROR});
    put(message(XS_READ, "name\0"s, 5));
    const auto progress = serve();
    EXPECT_TRUE(progress.notify);
    EXPECT_FALSE(progress.more);
    EXPECT_EQ(Guest::split(take()), (std::vector<Message>{{XS_READ, 5, 0, "guest1"}}));
    EXPECT_FALSE(serve().notify);
}

TEST_F(XenstoreRing, ATurnEndsWhenItHasCostEnough) {
    for (int i = 0; i < 700; ++i)
        EXPECT_EQ(guest.write("data/n" + std::to_string(i), ""), "OK|");
    const auto& meter = store->tree().meter();
    put(message(XS_DIRECTORY, "data\0"s) + message(XS_DIRECTORY, "data\0"s) + message(XS_READ, "name\0"s));
    for (const bool more : {true, true, false}) {
        const auto before = meter.steps();
        EXPECT_EQ(serve().more, more);
        EXPECT_LE(meter.steps() - before, xenstore::steps_per_turn + 3 * 700);
        take();
    }
}

TEST_F(XenstoreRing, AnothersChangeMakesTheWatcherDueATurn) {
    put(message(XS_WATCH, "data\0tok\0"s));
    static_cast<void>(serve());
    take();
    EXPECT_FALSE(guest.connection().told);
    EXPECT_TRUE(store->write(xenstore::Path::home_of(DomainId{1}) / "name", "unseen"));
    EXPECT_FALSE(guest.connection().told);
    EXPECT_TRUE(store->write(xenstore::Path::home_of(DomainId{1}) / "data", "seen"));
    EXPECT_TRUE(guest.connection().told);
    EXPECT_TRUE(serve().notify);
    EXPECT_FALSE(guest.connection().told);
    EXPECT_EQ(Guest::split(take()), (std::vector<Message>{{XS_WATCH_EVENT, 0, 0, "data\0tok\0"s}}));
}

TEST_F(XenstoreRing, MessagesLargerThanTheRingPassInParts) {
    const std::string value(2000, 'v');
    std::string bytes = message(XS_WRITE, "data/big\0"s + value) + message(XS_READ, "data/big\0"s);
    std::string replies;
    for (int turn = 0; turn < 20; ++turn) {
        bytes.erase(0, put(bytes));
        static_cast<void>(serve());
        replies += take();
    }
    EXPECT_TRUE(bytes.empty());
    EXPECT_EQ(Guest::split(replies),
              (std::vector<Message>{{XS_WRITE, 0, 0, "OK\0"s}, {XS_READ, 0, 0, value}}));
}

TEST_F(XenstoreRing, SingleBytesAddUpToARequest) {
    std::string replies;
    for (const char byte : message(XS_READ, "name\0"s)) {
        EXPECT_TRUE(replies.empty());
        put({&byte, 1});
        static_cast<void>(serve());
        replies += take();
    }
    EXPECT_EQ(Guest::split(replies), (std::vector<Message>{{XS_READ, 0, 0, "guest1"}}));
}

TEST_F(XenstoreRing, OneTurnIsBounded) {
    constexpr unsigned turns = 3;
    std::string bytes;
    for (unsigned i = 0; i < turns * xenstore::requests_per_turn; ++i)
        bytes += message(XS_READ, "\0"s);
    EXPECT_EQ(put(bytes), bytes.size());
    for (unsigned turn = 1; turn <= turns; ++turn) {
        EXPECT_EQ(serve().more, turn < turns);
        EXPECT_EQ(Guest::split(take()).size(), xenstore::requests_per_turn);
    }
}

TEST_F(XenstoreRing, AGuestThatDoesNotReadStopsOnlyItself) {
    EXPECT_EQ(guest.write("data/big", std::string(2000, 'v')), "OK|");
    const auto request = message(XS_READ, "data/big\0"s);
    for (int turn = 0; turn < 100; ++turn) {
        if (XENSTORE_RING_SIZE - (ring.req_prod - ring.req_cons) >= request.size())
            put(request);
        static_cast<void>(serve());
    }
    EXPECT_GT(ring.req_prod - ring.req_cons, XENSTORE_RING_SIZE - request.size())
        << "requests wait in the guest's own ring";
    EXPECT_FALSE(guest.connection().broken);
    std::string replies;
    for (int turn = 0; turn < 1000; ++turn) {
        replies += take();
        static_cast<void>(serve());
    }
    for (const auto& reply : Guest::split(replies))
        EXPECT_EQ(reply.body.size(), 2000U);
}

TEST_F(XenstoreRing, ImpossibleIndexesEndTheService) {
    ring.req_prod = XENSTORE_RING_SIZE + 1;
    static_cast<void>(serve());
    EXPECT_TRUE(guest.connection().broken);
    EXPECT_EQ(ring.error, unsigned{XENSTORE_ERROR_RINGIDX});
}

TEST_F(XenstoreRing, ImpossibleReplyIndexEndsTheService) {
    ring.rsp_cons = 1;
    static_cast<void>(serve());
    EXPECT_TRUE(guest.connection().broken);
    EXPECT_EQ(ring.error, unsigned{XENSTORE_ERROR_RINGIDX});
}

TEST_F(XenstoreRing, APayloadBeyondTheLimitEndsTheService) {
    const xsd_sockmsg header{XS_WRITE, 0, 0, XENSTORE_PAYLOAD_MAX + 1};
    put({reinterpret_cast<const char*>(&header), sizeof header});
    static_cast<void>(serve());
    EXPECT_TRUE(guest.connection().broken);
    EXPECT_EQ(ring.error, unsigned{XENSTORE_ERROR_PROTO});
    put(message(XS_READ, "name\0"s));
    EXPECT_FALSE(serve().notify);
}

TEST_F(XenstoreRing, OurIndexesAreNotReadBack) {
    put(message(XS_READ, "name\0"s));
    static_cast<void>(serve());
    take();
    ring.req_cons = 77;
    ring.rsp_prod = 99;
    ring.rsp_cons = guest.connection().replies_written;
    for (const char byte : message(XS_READ, "name\0"s))
        ring.req[MASK_XENSTORE_IDX(ring.req_prod++)] = byte;
    static_cast<void>(serve());
    EXPECT_EQ(Guest::split(take()), (std::vector<Message>{{XS_READ, 0, 0, "guest1"}}));
}

} // namespace
} // namespace bulkhead::test
