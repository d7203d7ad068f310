// Packets of more than a page, and TCP segments that are not cut: they arrive whole, with what is left to be
// done, at those who take them, and nowhere else.
#include "tests/guest/net.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

namespace {

constexpr std::uint32_t largest = 65535;

netif_extra_info segments(std::uint16_t bytes, std::uint8_t type) {
    netif_extra_info extra{};
    extra.type = XEN_NETIF_EXTRA_TYPE_GSO;
    extra.u.gso.size = bytes;
    extra.u.gso.type = type;
    return extra;
}

// A packet in pieces of a page each, from page 0 on; with `extra` if it has a type.
void send_large(Front& from, const net_device::Mac& to, std::uint32_t bytes, std::uint8_t with,
                const netif_extra_info& extra = {}) {
    fill(std::span{from.page(0)->bytes, bytes}, to, from.mac(), with);
    std::uint32_t slots = 0;
    for (std::uint32_t at = 0; at < bytes; at += page_bytes, ++slots) {
        const auto rest = bytes - at;
        auto request =
            from.request(slots, at == 0 ? bytes : std::min(rest, static_cast<std::uint32_t>(page_bytes)));
        request.flags = rest > page_bytes ? NETTXF_more_data : 0;
        if (at == 0)
            request.flags |= NETTXF_csum_blank | NETTXF_data_validated;
        if (at == 0 && extra.type != 0)
            request.flags |= NETTXF_extra_info;
        from.put(request);
        if (at == 0 && extra.type != 0)
            from.put(extra);
    }
    from.push();
    for (std::uint32_t i = 0; i < slots; ++i) {
        expect_answer(from, NETIF_RSP_OKAY, "a large packet");
        if (i == 0 && extra.type != 0)
            expect_answer(from, NETIF_RSP_NULL, "what is left to be done of it");
    }
}

void expect_large(Front& to, std::uint32_t bytes, std::uint8_t with, const netif_extra_info& extra = {}) {
    std::uint32_t at = 0;
    for (bool more = true; more;) {
        const auto page = await_packet(to);
        check(page.has_value(), "byte {} of {} did not come", at, bytes);
        more = (page->flags & NETRXF_more_data) != 0;
        check(more ? page->bytes.size() == page_bytes : at + page->bytes.size() == bytes,
              "{} bytes came at byte {} of {}", page->bytes.size(), at, bytes);
        if (at == 0) {
            check((page->flags & NETRXF_csum_blank) != 0, "the checksum's flag did not come through");
            check(page->extra.type == extra.type && page->extra.u.gso.size == extra.u.gso.size &&
                      page->extra.u.gso.type == extra.u.gso.type && page->extra.flags == 0,
                  "what is left to be done did not come through");
        }
        for (std::size_t i = at == 0 ? 14 : 0; i < page->bytes.size(); ++i)
            check(page->bytes[i] == static_cast<std::byte>(with + (at + i) % 251), "byte {} is wrong",
                  at + i);
        at += static_cast<std::uint32_t>(page->bytes.size());
        to.done();
    }
}

void nothing_comes(Front& to, std::string_view what) {
    check(!await_packet(to, milliseconds(5)), "{} came", what);
}

} // namespace

GUEST_TEST(net_large, "packets of up to 65,535 bytes and uncut segments arrive whole where they are taken") {
    Front from = interface({.index = 0, .first = ~RING_IDX{0} - 70});
    Front to =
        interface({.index = 1, .first = ~RING_IDX{0} - 5, .given = net_device::pages, .takes_large = true});
    for (const std::uint32_t bytes : {1519U, 4096U, 4097U, 9014U, 40'000U, largest}) {
        send_large(from, to.mac(), bytes, static_cast<std::uint8_t>(bytes));
        expect_large(to, bytes, static_cast<std::uint8_t>(bytes));
    }
    for (const auto type : {XEN_NETIF_GSO_TYPE_TCPV4, XEN_NETIF_GSO_TYPE_TCPV6})
        for (const std::uint32_t bytes : {100U, 4096U, 60'000U, largest}) {
            const auto extra = segments(1448, static_cast<std::uint8_t>(type));
            send_large(from, to.mac(), bytes, 7, extra);
            expect_large(to, bytes, 7, extra);
        }
    works(from.disconnect(), "disconnecting");
    works(to.disconnect(), "disconnecting the other one");
}

GUEST_TEST(net_large_refused,
           "a large packet is dropped where it is not taken, and other packets still come") {
    Front from = interface({.index = 0}), to = interface({.index = 1});
    send_large(from, to.mac(), 4097, 1);
    send_large(from, to.mac(), 100, 2, segments(1448, XEN_NETIF_GSO_TYPE_TCPV4));
    send_large(from, to.mac(), 100, 2, segments(1448, XEN_NETIF_GSO_TYPE_TCPV6));
    nothing_comes(to, "a packet that the interface does not take");
    send_large(from, to.mac(), 4096, 3);
    expect_large(to, 4096, 3);
    works(from.disconnect(), "disconnecting");
    works(to.disconnect(), "disconnecting the other one");
}

GUEST_TEST(net_large_pages,
           "a large packet waits until all its pages are given; one of them that is bad loses it") {
    Front from = interface({.index = 0});
    Front to = interface({.index = 1, .first = 0, .given = 0, .takes_large = true});
    const auto extra = segments(1000, XEN_NETIF_GSO_TYPE_TCPV4);
    send_large(from, to.mac(), 3 * page_bytes, 5, extra);
    for (int i = 0; i < 3; ++i)
        to.done();
    nothing_comes(to, "a packet with too few pages");
    to.done();
    expect_large(to, 3 * page_bytes, 5, extra); // gives four pages again
    works(to.disconnect(), "disconnecting");
    to = interface({.index = 1, .first = 0, .given = 1, .takes_large = true});
    to.give(GrantRef{100'000});
    to.done();
    send_large(from, to.mac(), 3 * page_bytes, 6);
    for (const bool is_fine : {true, true}) { // its first page and its last one; the bad one is given anew
        const auto page = await_packet(to);
        check(page.has_value() == is_fine, "a packet with a bad page has no answers");
        to.done();
    }
    nothing_comes(to, "a fourth page");
    send_large(from, to.mac(), 2 * page_bytes, 7);
    expect_large(to, 2 * page_bytes, 7);
    works(from.disconnect(), "disconnecting");
    works(to.disconnect(), "disconnecting the other one");
}
