// Malformed network requests: each is answered with an error or breaks its own interface, and after all of
// them the other one works as before.
#include "tests/guest/net.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

namespace {

constexpr std::int16_t error = NETIF_RSP_ERROR, nothing = NETIF_RSP_NULL;

void expect(Front& front, const netif_tx_request& request, std::int16_t status, std::string_view what) {
    front.put(request);
    front.push();
    expect_answer(front, status, what);
}

void single(Front& front) {
    for (const std::uint32_t bytes : {0U, 1U, 13U, 4097U, 65535U})
        expect(front, front.request(0, bytes), error, "an impossible size");
    for (const std::uint32_t offset : {4096U - 59, 4095U, 4096U, 65535U}) {
        auto request = front.request(0, 60);
        request.offset = static_cast<std::uint16_t>(offset);
        expect(front, request, error, "a packet that leaves its page");
    }
    for (const std::uint32_t ref : {0U, 511U, 512U, 100'000U, ~0U}) {
        auto request = front.request(0, 60);
        request.gref = ref;
        expect(front, request, error, "a grant that does not exist");
    }
}

// A packet of that size whose pieces after the first one have those sizes; each is answered so.
void chain(Front& front, std::uint32_t bytes, std::uint32_t pieces, std::uint32_t each, std::int16_t status,
           std::string_view what) {
    for (std::uint32_t i = 0; i < pieces; ++i) {
        auto request = front.request(0, i == 0 ? bytes : each);
        request.flags = i + 1 < pieces ? NETTXF_more_data : 0;
        front.put(request);
    }
    front.push();
    for (std::uint32_t i = 0; i < pieces; ++i)
        expect_answer(front, status, what);
}

void chains(Front& front) {
    chain(front, 1500, 19, 50, error, "a packet of 19 pieces");
    chain(front, 1500, 250, 1, error, "a packet of 250 pieces");
    chain(front, 100, 3, 60, error, "pieces that are more than the whole");
    chain(front, 1500, 2, 65535, error, "a piece that is more than a page");
    chain(front, 1500, 18, 50, NETIF_RSP_OKAY, "a packet of 18 pieces");
    chain(front, 100, 2, 100, NETIF_RSP_OKAY, "a first piece of no bytes");
    auto first = front.request(0, 100);
    auto second = front.request(0, 50);
    first.flags = NETTXF_more_data;
    second.gref = 100'000;
    front.put(first);
    front.put(second);
    front.push();
    for (int i = 0; i < 2; ++i)
        expect_answer(front, error, "a second piece that was not lent");
}

// None but one of segments was offered.
void extras(Front& front) {
    for (const int type : {0, 1, 2, 3, 4, 5, 255}) {
        auto request = front.request(0, 100);
        request.flags = NETTXF_extra_info;
        netif_extra_info extra{};
        extra.type = static_cast<std::uint8_t>(type);
        extra.flags = XEN_NETIF_EXTRA_FLAG_MORE;
        front.put(request);
        front.put(extra);
        extra.flags = 0;
        front.put(extra);
        front.push();
        expect_answer(front, error, "a packet with extra information");
        expect_answer(front, nothing, "its first extra slot");
        expect_answer(front, nothing, "its second extra slot");
    }
}

// Segments of those bytes and that type; `answer` is the packet's.
void segments(Front& front, std::uint16_t bytes, std::uint8_t type, std::int16_t answer,
              std::string_view what) {
    auto request = front.request(0, 1500);
    request.flags = NETTXF_extra_info;
    netif_extra_info extra{};
    extra.type = XEN_NETIF_EXTRA_TYPE_GSO;
    extra.u.gso.size = bytes;
    extra.u.gso.type = type;
    front.put(request);
    front.put(extra);
    front.push();
    expect_answer(front, answer, what);
    expect_answer(front, nothing, "the segments' extra slot");
}

void all_segments(Front& front) {
    segments(front, 0, XEN_NETIF_GSO_TYPE_TCPV4, error, "segments without bytes");
    segments(front, 1, XEN_NETIF_GSO_TYPE_TCPV4, error, "more segments than are allowed");
    for (const int type : {0, 3, 255})
        segments(front, 500, static_cast<std::uint8_t>(type), error, "segments of no type that was offered");
    segments(front, 6, XEN_NETIF_GSO_TYPE_TCPV4, NETIF_RSP_OKAY, "239 segments");
    segments(front, 65535, XEN_NETIF_GSO_TYPE_TCPV6, NETIF_RSP_OKAY, "a segment longer than its packet");
}

// It gets no answers any more, the other interfaces work on, and it can be made anew.
template<class Break>
void breaks(Front& other, std::string_view what, Break misuse) {
    Front front = interface();
    misuse(front);
    sleep(milliseconds(1));
    while (front.answer()) {
    }
    front.put(front.request(0, 60));
    front.push();
    sleep(milliseconds(2));
    check(!front.answer(), "{}: the broken ring was answered", what);
    put_packet(other, front.mac(), 60, 1);
    other.push();
    check(!await_packet(front, milliseconds(2)), "{}: the broken interface got a packet", what);
    works(front.disconnect(), "disconnecting the broken interface");
    Front again = interface();
    put_packet(again, other.mac(), 60, 2);
    again.push();
    expect_packet(other, 60, 2);
    put_packet(other, again.mac(), 60, 3);
    other.push();
    expect_packet(again, 60, 3);
    works(again.disconnect(), "disconnecting");
}

// Behind the requests of packets that are on their way. What was taken is changed so that no packet ends
// anywhere.
void goes_back(Front& front) {
    constexpr std::uint32_t packets = 4, pieces = 8, shown = packets * pieces;
    auto piece = front.request(0, 1);
    piece.flags = NETTXF_more_data;
    for (std::uint32_t i = 0; i < net_device::slots; ++i) {
        auto request = piece;
        if (i % pieces == 0)
            request.size = 1500;
        if (i < shown && i % pieces == pieces - 1)
            request.flags = 0;
        front.put(request);
    }
    front.overflow(shown - net_device::slots);
    front.push();
    front.overflow(net_device::slots - shown);
    for (std::uint32_t i = 0; i < packets; ++i) {
        front.overflow(pieces - 1);
        front.put(piece);
    }
    front.overflow(pieces - shown - net_device::slots);
    front.push();
}

} // namespace

GUEST_TEST(net_misuse, "a malformed packet gets an error, and the interface still works") {
    Front front = interface(), other = interface({.index = 1});
    fill(std::span{front.page(0)->bytes}.first(1518), front.mac(), front.mac(), 1); // to nobody
    single(front);
    chains(front);
    extras(front);
    all_segments(front);
    put_packet(front, other.mac(), 60, 9);
    front.push();
    expect_packet(other, 60, 9);
    works(front.disconnect(), "disconnecting");
    works(other.disconnect(), "disconnecting the other one");
}

// A page that cannot be written to loses its packet, not the next one.
GUEST_TEST(net_bad_pages, "a packet into a page that was not lent is lost, and is said to be") {
    Front from = interface();
    Front to = interface({.index = 1, .first = 0, .given = 0, .takes_large = false});
    to.give(GrantRef{100'000});
    to.give(GrantRef{from.request(0, 60).gref}); // lent for reading only
    for (std::uint8_t i = 0; i < 3; ++i)
        put_packet(from, to.mac(), 60, i);
    from.push();
    sleep(milliseconds(5));
    check(!to.receive(), "a packet came into a page that was not lent"); // both errors are taken
    expect_packet(to, 60, 2); // receive() gave pages in their places
    works(from.disconnect(), "disconnecting");
    works(to.disconnect(), "disconnecting the other one");
}

GUEST_TEST(net_overflow,
           "a broken interface gets nothing any more, another one works, and it can be made anew") {
    Front other = interface({.index = 1});
    breaks(other, "a tx producer beyond the ring", [](Front& front) {
        front.put(front.request(0, 60));
        front.push();
        front.overflow(300);
        front.push();
    });
    breaks(other, "a tx producer that goes back", goes_back);
    breaks(other, "a packet that does not end", [](Front& front) {
        auto request = front.request(0, 100);
        request.flags = NETTXF_more_data;
        front.put(request);
        front.push();
    });
    breaks(other, "extra information that does not end", [](Front& front) {
        auto request = front.request(0, 100);
        request.flags = NETTXF_extra_info;
        front.put(request);
        front.push();
    });
    breaks(other, "extra information after a packet's first piece that does not end", [](Front& front) {
        auto request = front.request(0, 1500);
        request.flags = NETTXF_extra_info | NETTXF_more_data;
        netif_extra_info extra{};
        extra.type = XEN_NETIF_EXTRA_TYPE_GSO;
        extra.flags = XEN_NETIF_EXTRA_FLAG_MORE;
        front.put(request);
        for (int i = 0; i < 200; ++i)
            front.put(extra);
        front.push();
    });
    breaks(other, "an rx producer beyond the ring", [&](Front& front) {
        front.move_rx_producer(300);
        put_packet(other, front.mac(), 60, 1);
        other.push();
    });
    works(other.disconnect(), "disconnecting the other one");
}
