// Thousands of ports that were opened once, or are all in use, make neither the next bind nor a reset long:
// the hypervisor looks for ports, not at each of them. Runs alone, because a reset closes the guest's own
// console and timer ports.
#include "guest/runtime/clock.hpp"
#include "guest/runtime/events.hpp"
#include "guest/runtime/hypercall.hpp"
#include "tests/guest/test.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

namespace {

constexpr std::uint32_t port_limit = 4096;
constexpr Nanos longest = microseconds(100); // one look at each port would take several times as long

std::array<Port, port_limit> ports;

std::uint32_t open_all() {
    std::uint32_t count = 0;
    while (count < ports.size()) {
        const auto port = events::allocate_unbound(DomainId{DOMID_SELF});
        if (!port)
            break;
        ports[count++] = *port;
    }
    return count;
}

template<class Call>
Nanos time_of(Call call) {
    const GuestTime before = now();
    call();
    return now() - before;
}

} // namespace

GUEST_TEST_ALONE(event_sparse, "a bind or reset is short however many ports there were") {
    const std::uint32_t count = open_all();
    check(count > 1000, "only {} ports can be opened", count);
    const auto full = time_of([] { refused(events::allocate_unbound(DomainId{DOMID_SELF}), "one more"); });
    check(full <= longest, "a bind with no port free took {} ns", full.count());
    works(events::close(ports[0]), "closing the lowest");
    works(events::close(ports[count - 1]), "closing the highest");
    works(events::allocate_unbound(DomainId{DOMID_SELF}), "the lowest again");
    const auto last = time_of([] { works(events::allocate_unbound(DomainId{DOMID_SELF}), "the highest"); });
    check(last <= longest, "a bind that finds only the highest port free took {} ns", last.count());
    for (std::uint32_t i = 0; i + 1 < count; ++i)
        works(events::close(ports[i]), "closing");
    evtchn_reset request{.dom = DOMID_SELF};
    const auto reset =
        time_of([&] { works(hypercall::event_channel_op(EVTCHNOP_reset, &request), "reset"); });
    check(reset <= longest, "a reset with few ports open took {} ns", reset.count());
    check(!events::close(ports[count - 1]), "the reset left a port open");
}
