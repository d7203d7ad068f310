// This domain's own number, which the interface tells nobody directly: a port bound to another port of the
// same domain has it as its remote end.
#pragma once

#include "guest/runtime/events.hpp"
#include "guest/runtime/hypercall.hpp"
#include "tests/guest/test.hpp"

namespace bulkhead::guest_test {

inline DomainId own_domain() {
    const Port a = works(events::allocate_unbound(DomainId{DOMID_SELF}), "alloc_unbound");
    const Port b = works(events::bind_interdomain(DomainId{DOMID_SELF}, a), "bind_interdomain");
    evtchn_status status{};
    status.dom = DOMID_SELF;
    status.port = b.value();
    works(hypercall::event_channel_op(EVTCHNOP_status, &status), "status");
    works(events::close(a), "close");
    works(events::close(b), "close");
    return DomainId{status.u.interdomain.dom};
}

} // namespace bulkhead::guest_test
