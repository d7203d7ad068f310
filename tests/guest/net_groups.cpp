// The filter of groups: an interface that asks for it gets packets for the groups that it has named, those
// for all, and no others.
#include "tests/guest/net.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

namespace {

constexpr std::uint32_t most = 64; // groups of an interface
constexpr std::uint8_t add = XEN_NETIF_EXTRA_TYPE_MCAST_ADD, remove = XEN_NETIF_EXTRA_TYPE_MCAST_DEL;
constexpr net_device::Mac all{std::byte{0xff}, std::byte{0xff}, std::byte{0xff},
                              std::byte{0xff}, std::byte{0xff}, std::byte{0xff}};

net_device::Mac group(std::uint8_t number) {
    return {std::byte{0x01}, std::byte{0x00}, std::byte{0x5e}, std::byte{0}, std::byte{1}, std::byte{number}};
}

// A request that names a group; nothing of it is sent.
void change(Front& front, std::uint8_t type, const net_device::Mac& address, std::int16_t status,
            std::string_view what, std::uint32_t bytes = 0) {
    auto request = front.request(0, bytes);
    request.flags = NETTXF_extra_info;
    netif_extra_info extra{};
    extra.type = type;
    for (std::size_t i = 0; i < address.size(); ++i)
        extra.u.mcast.addr[i] = std::to_integer<std::uint8_t>(address[i]);
    front.put(request);
    front.put(extra);
    front.push();
    expect_answer(front, status, what);
    expect_answer(front, NETIF_RSP_NULL, "the address of a group");
}

void send(Front& from, const net_device::Mac& to, std::uint8_t with) {
    fill(std::span{from.page(0)->bytes, 60}, to, from.mac(), with);
    from.put(from.request(0, 60));
    from.push();
    expect_answer(from, NETIF_RSP_OKAY, "a packet for a group");
}

void expect_only_all(Front& from, Front& to, std::uint8_t not_wanted) {
    send(from, group(not_wanted), 1);
    send(from, all, 2);
    expect_packet(to, 60, 2); // in the order of arrival: the other one would have come before
}

} // namespace

GUEST_TEST(net_groups, "an interface that asks for a filter gets packets for its groups and for all") {
    Front from = interface({.index = 0});
    Front to = interface({.index = 1, .filters_groups = true});
    expect_only_all(from, to, 1);
    change(to, add, group(1), NETIF_RSP_OKAY, "a group");
    change(to, add, group(1), NETIF_RSP_OKAY, "the same group again");
    send(from, group(1), 3);
    expect_packet(to, 60, 3);
    expect_only_all(from, to, 2);
    change(to, add, group(2), NETIF_RSP_OKAY, "another group", 60);
    check(!await_packet(from, milliseconds(5)), "a request that names a group was sent");
    change(to, remove, group(1), NETIF_RSP_OKAY, "a group that is left");
    expect_only_all(from, to, 1);
    send(from, group(2), 4);
    expect_packet(to, 60, 4);
    works(to.disconnect(), "disconnecting");
    to = interface({.index = 1, .filters_groups = true});
    expect_only_all(from, to, 2);
    works(to.disconnect(), "disconnecting");
    to = interface({.index = 1});
    send(from, group(2), 5);
    expect_packet(to, 60, 5); // it asked for no filter
    works(from.disconnect(), "disconnecting the other one");
    works(to.disconnect(), "disconnecting");
}

GUEST_TEST(net_groups_misuse, "too many groups, and what is not a group, are answered with an error") {
    Front from = interface({.index = 0});
    Front to = interface({.index = 1, .filters_groups = true});
    change(to, add, from.mac(), NETIF_RSP_ERROR, "a single station's address");
    change(to, remove, from.mac(), NETIF_RSP_OKAY, "leaving a group that was not named");
    for (std::uint32_t i = 0; i < most; ++i)
        change(to, add, group(static_cast<std::uint8_t>(i)), NETIF_RSP_OKAY, "one of 64 groups");
    change(to, add, group(most), NETIF_RSP_ERROR, "the 65th group");
    expect_only_all(from, to, most);
    send(from, group(most - 1), 6);
    expect_packet(to, 60, 6);
    change(to, remove, group(0), NETIF_RSP_OKAY, "a group that is left");
    change(to, add, group(most), NETIF_RSP_OKAY, "a group in the place of another one");
    send(from, group(most), 7);
    expect_packet(to, 60, 7);
    works(from.disconnect(), "disconnecting");
    works(to.disconnect(), "disconnecting the other one");
}
