// The mask bits of the 2-level interface: a masked port stays pending without an upcall; EVTCHNOP_unmask
// delivers it; an upcall that was held back by the vCPU's mask comes when the mask goes.
#include "guest/runtime/events.hpp"
#include "guest/runtime/hypercall.hpp"
#include "guest/runtime/start.hpp"
#include "tests/guest/test.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

static bool pending(Port port) {
    return (shared().evtchn_pending[port.value() / 64] >> port.value() % 64 & 1) != 0;
}

GUEST_TEST(event_masking, "masked ports stay pending, unmasking delivers") {
    const Port port = works(events::bind_ipi(), "bind_ipi");
    events::listen(port);
    events::mask(port);
    works(events::notify(port), "sending to a masked port");
    check(!events::take(port), "a masked port was delivered");
    check(pending(port), "a masked port is not pending");
    evtchn_unmask unmask{.port = port.value()};
    works(hypercall::event_channel_op(EVTCHNOP_unmask, &unmask), "unmask");
    check(events::take(port), "the unmasked event did not come");
    check(!pending(port), "the event is still pending after its delivery");

    {
        const events::Masked guard;
        works(events::notify(port), "sending with upcalls masked");
        check(!events::take(port), "an upcall came through the vCPU's mask");
        check(shared().vcpu_info[0].evtchn_upcall_pending != 0, "no upcall is noted as pending");
    }
    check(events::take(port), "the event did not come when the mask went");
    works(events::close(port), "close");
}
