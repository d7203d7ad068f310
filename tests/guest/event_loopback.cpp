// A port bound to another port of the same domain: sends arrive at the other end, once per edge, and status
// tells the truth.
#include "guest/runtime/events.hpp"
#include "guest/runtime/hypercall.hpp"
#include "tests/guest/test.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

static evtchn_status status_of(Port port) {
    evtchn_status call{};
    call.dom = DOMID_SELF;
    call.port = port.value();
    works(hypercall::event_channel_op(EVTCHNOP_status, &call), "status");
    return call;
}

GUEST_TEST(event_loopback, "two ports of one domain, bound to each other, signal each other") {
    const Port a = works(events::allocate_unbound(DomainId{DOMID_SELF}), "alloc_unbound");
    check(status_of(a).status == EVTCHNSTAT_unbound, "a fresh port is not unbound");
    const Port b = works(events::bind_interdomain(DomainId{DOMID_SELF}, a), "bind_interdomain");
    check(a != b, "both ends are port {}", a);
    check(status_of(a).status == EVTCHNSTAT_interdomain && status_of(a).u.interdomain.port == b.value(),
          "the status of the first end is wrong");
    events::listen(a);
    events::listen(b);
    static_cast<void>(events::take(a)); // binding may signal
    static_cast<void>(events::take(b));
    works(events::notify(a), "send");
    check(events::take(b), "the other end was not signalled");
    check(!events::take(a), "the sending end was signalled");
    works(events::notify(b), "send back");
    check(events::take(a) && !events::take(b), "the way back does not work");

    works(events::close(a), "close");
    check(status_of(b).status == EVTCHNSTAT_unbound, "the other end is not unbound after a close");
    works(events::close(b), "close the other end");
    check(status_of(b).status == EVTCHNSTAT_closed, "a closed port is not closed");
    check(!events::notify(b), "a send to a closed port was accepted");
}
