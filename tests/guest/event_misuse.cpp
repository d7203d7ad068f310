// Ports that do not exist, are not free, or belong to somebody else, and commands that do not exist.
#include "guest/runtime/events.hpp"
#include "guest/runtime/hypercall.hpp"
#include "tests/guest/test.hpp"
#include "tests/guest/width.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

GUEST_TEST(event_misuse, "wrong ports, domains and commands are refused") {
    for (const std::uint32_t port : {0u, 4000u, 5000u, 0x7fffffffu, 0xffffffffu}) {
        refused(events::notify(Port{port}), "sending to a port that is not there");
        evtchn_close close{.port = port};
        refused(hypercall::event_channel_op(EVTCHNOP_close, &close), "closing a port that is not there");
    }
    refused(events::bind_interdomain(DomainId{DOMID_SELF}, Port{4000}),
            "binding to a port that is not there");
    refused(events::bind_interdomain(DomainId{0x7abc}, Port{1}), "binding to a domain that is not there");
    refused(events::allocate_unbound(DomainId{DOMID_SELF}, DomainId{0x7abc}),
            "a port of a domain that is not there");

    const Port port = works(events::allocate_unbound(DomainId{DOMID_SELF}), "alloc_unbound");
    const Port other = works(events::bind_interdomain(DomainId{DOMID_SELF}, port), "bind_interdomain");
    refused(events::bind_interdomain(DomainId{DOMID_SELF}, port), "binding to a port that is taken");
    works(events::close(port), "close");
    works(events::close(other), "close the other");
    refused(events::close(port), "closing twice");

    evtchn_bind_vcpu move{.port = 4000, .vcpu = 0};
    refused(hypercall::event_channel_op(EVTCHNOP_bind_vcpu, &move), "moving a port that is not there");
    refused(hypercall::event_channel_op(77, &move), Error::no_such_call, "an unknown command");
    refused(hypercall::event_channel_op(EVTCHNOP_send, nullptr), "an argument at address 0");
    refused(hypercall::event_channel_op(EVTCHNOP_send, reinterpret_cast<void*>(hypervisor_memory)),
            Error::fault, "an argument in the hypervisor's memory");
}
