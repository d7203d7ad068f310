// Virtual interrupts and IPIs: each vIRQ binds once per vCPU, an IPI port signals its own vCPU, nonsense is
// refused.
#include "guest/runtime/events.hpp"
#include "guest/runtime/hypercall.hpp"
#include "tests/guest/test.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

GUEST_TEST(event_bindings, "VIRQ and IPI ports bind, signal and refuse") {
    const Port ipi = works(events::bind_ipi(), "bind_ipi");
    events::listen(ipi);
    works(events::notify(ipi), "sending an IPI");
    check(events::take(ipi), "the IPI did not arrive");

    refused(events::bind_virq(VIRQ_TIMER), Error::exists, "binding the timer a second time");
    refused(events::bind_virq(9999), "a vIRQ beyond the last");
    const Port debug = works(events::bind_virq(VIRQ_DEBUG), "bind_virq");
    static_cast<void>(events::notify(debug)); // a vIRQ cannot be sent by the guest; must only do no harm
    works(events::close(debug), "closing a vIRQ port");
    works(events::close(works(events::bind_virq(VIRQ_DEBUG), "binding it again")), "and closing it");

    evtchn_bind_ipi nowhere{.vcpu = 500, .port = 0};
    refused(hypercall::event_channel_op(EVTCHNOP_bind_ipi, &nowhere), "an IPI of a vCPU that is not there");
    evtchn_bind_virq other{.virq = VIRQ_TIMER, .vcpu = 500, .port = 0};
    refused(hypercall::event_channel_op(EVTCHNOP_bind_virq, &other), "a timer of a vCPU that is not there");
    works(events::close(ipi), "closing the IPI port");
}
