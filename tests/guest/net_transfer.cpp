// Packets go from one interface to another one of the guest: of every size, in one piece and in many, with
// the checksum's flags, with rings that are full and indices about to wrap.
#include "tests/guest/net.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

namespace {

constexpr net_device::Mac everybody{std::byte{255}, std::byte{255}, std::byte{255},
                                    std::byte{255}, std::byte{255}, std::byte{255}};
constexpr net_device::Mac stranger{std::byte{2}, std::byte{0}, std::byte{0},
                                   std::byte{0}, std::byte{0}, std::byte{9}};

void sizes(Front& from, Front& to) {
    for (const std::uint32_t bytes : {14U, 60U, 61U, 1000U, 1513U, 1514U, 1518U}) {
        put_packet(from, to.mac(), bytes, static_cast<std::uint8_t>(bytes));
        from.push();
        expect_packet(to, bytes, static_cast<std::uint8_t>(bytes));
    }
    check(from.failures() == 0, "a packet was answered with an error");
}

// The whole in pieces of `each` bytes, all from page 0; the first request names the whole.
void in_pieces(Front& from, Front& to, std::uint32_t bytes, std::uint32_t each) {
    fill(std::span{from.page(0)->bytes}.first(bytes), to.mac(), from.mac(), 77);
    std::uint32_t pieces = 0;
    for (std::uint32_t at = 0; at < bytes; at += each, ++pieces) {
        netif_tx_request request = from.request(0, at == 0 ? bytes : std::min(each, bytes - at));
        request.offset = static_cast<std::uint16_t>(at);
        request.flags = at + each < bytes ? NETTXF_more_data : 0;
        from.put(request);
    }
    from.push();
    expect_packet(to, bytes, 77);
    for (std::uint32_t i = 0; i < pieces; ++i)
        expect_answer(from, NETIF_RSP_OKAY, "a packet in pieces");
}

void flags(Front& from, Front& to) {
    const std::uint16_t sent[] = {0, NETTXF_data_validated, NETTXF_csum_blank | NETTXF_data_validated};
    const std::uint16_t told[] = {0, NETRXF_data_validated, NETRXF_csum_blank | NETRXF_data_validated};
    for (std::size_t i = 0; i < 3; ++i) {
        put_packet(from, to.mac(), 100, 1, sent[i]);
        from.push();
        const auto packet = await_packet(to);
        check(packet && packet->flags == told[i], "the checksum's flags did not come through");
        to.done();
    }
}

// As many as fit, both ways at once.
void full(Front& a, Front& b) {
    for (std::uint8_t round = 0; round < 8; ++round) {
        for (std::uint8_t i = 0; i < 32; ++i) {
            put_packet(a, b.mac(), 1514, i);
            put_packet(b, a.mac(), 60, i);
        }
        a.push();
        b.push();
        for (std::uint8_t i = 0; i < 32; ++i) {
            expect_packet(b, 1514, i);
            expect_packet(a, 60, i);
        }
    }
}

} // namespace

GUEST_TEST(net_transfer, "what is sent to an interface arrives there") {
    Front from = interface({.index = 0, .first = ~RING_IDX{0} - 5});
    Front to = interface({.index = 1, .first = ~RING_IDX{0} - 70});
    sizes(from, to);
    flags(from, to);
    full(from, to);
    works(from.disconnect(), "disconnecting");
    from = interface();
    in_pieces(from, to, 1500, 100);
    in_pieces(from, to, 1518, 85);
    in_pieces(from, to, 64, 50);
    in_pieces(from, to, 30, 2);
    works(from.disconnect(), "disconnecting");
    works(to.disconnect(), "disconnecting the other one");
}

GUEST_TEST(net_switch, "packets go where they are for, or to all, and never back") {
    Front a = interface({.index = 0}), b = interface({.index = 1});
    for (const auto& target : {everybody, stranger}) {
        put_packet(a, target, 100, 5);
        a.push();
        expect_packet(b, 100, 5);
        check(!await_packet(a, milliseconds(2)), "a packet came back to its sender");
    }
    put_packet(a, a.mac(), 100, 5);
    a.push();
    check(!await_packet(b, milliseconds(2)), "a packet for its own sender came to another");
    put_packet(b, stranger, 100, 6); // then it is learned at b
    auto room = b.room();
    fill(room.first(60), a.mac(), stranger, 7);
    b.send(60);
    b.push();
    expect_packet(a, 100, 6);
    expect_packet(a, 60, 7);
    put_packet(b, stranger, 100, 8);
    b.push();
    check(!await_packet(a, milliseconds(2)), "the switch did not learn where a station is");
    works(a.disconnect(), "disconnecting");
    put_packet(b, everybody, 100, 9); // to nobody
    b.push();
    sleep(milliseconds(1));
    works(b.disconnect(), "disconnecting the other one");
}

// A port of 64 places keeps 48 packets of one sender: three times as many as are then free.
GUEST_TEST(net_no_pages, "packets wait for a page, and more than a sender's part are dropped") {
    constexpr std::uint8_t kept = 48, places = 64;
    Front from = interface({.index = 0});
    Front to = interface({.index = 1, .first = 0, .given = 0, .takes_large = false});
    for (std::uint8_t i = 0; i < 100; ++i) {
        if (i == 60) {
            from.push();
            sleep(milliseconds(10));
        }
        put_packet(from, to.mac(), 60, i);
    }
    from.push();
    sleep(milliseconds(10));
    check(!to.receive(), "a packet came without a page");
    for (std::uint8_t i = 0; i < places; ++i)
        to.done();
    for (std::uint8_t i = 0; i < kept; ++i)
        expect_packet(to, 60, i);
    check(!await_packet(to, milliseconds(2)), "more packets were kept than one sender may have there");
    put_packet(from, to.mac(), 60, 200);
    from.push();
    expect_packet(to, 60, 200);
    works(from.disconnect(), "disconnecting");
    works(to.disconnect(), "disconnecting the other one");
}

GUEST_TEST(net_reconnect, "an interface can be let go with packets on their way and taken again") {
    Front to = interface({.index = 1});
    for (std::uint8_t round = 0; round < 5; ++round) {
        Front from = interface();
        put_packet(from, to.mac(), 60, round);
        from.push();
        expect_packet(to, 60, round);
        for (std::uint8_t i = 0; i < 40; ++i) { // these are not waited for
            put_packet(from, to.mac(), 1514, i);
            put_packet(to, from.mac(), 1514, i);
        }
        from.push();
        to.push();
        works(from.disconnect(), "disconnecting");
        while (await_packet(to, milliseconds(2)))
            to.done();
    }
    works(to.disconnect(), "disconnecting the other one");
}
