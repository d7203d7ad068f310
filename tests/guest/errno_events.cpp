// The errno of event_channel_op, row by row.
#include "guest/runtime/events.hpp"
#include "tests/guest/errno.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

namespace {

constinit Port connected{}, virq{}, ipi{};
constexpr evtchn_port_t closed = 4000, beyond = 0x7fffffff;

template<class T>
long call(unsigned command, T argument) {
    return hypercall::raw(__HYPERVISOR_event_channel_op, command, hypercall::address(&argument));
}

constexpr ErrnoRow rows[] = {
    {"event_channel_op", "an unknown command", BULKHEAD_FAILS(ENOSYS), [] { return call(99, 0); }},
    {"event_channel_op", "the argument cannot be read", BULKHEAD_FAILS(EFAULT),
     [] { return hypercall::raw(__HYPERVISOR_event_channel_op, EVTCHNOP_send, hypervisor_memory); }},
    {"EVTCHNOP_alloc_unbound", "no such domain", BULKHEAD_FAILS(ESRCH),
     [] {
         return call(EVTCHNOP_alloc_unbound,
                     evtchn_alloc_unbound{.dom = no_domain, .remote_dom = 0, .port = 0});
     }},
    {"EVTCHNOP_bind_interdomain", "no such domain", BULKHEAD_FAILS(ESRCH),
     [] {
         return call(EVTCHNOP_bind_interdomain,
                     evtchn_bind_interdomain{.remote_dom = no_domain, .remote_port = 1, .local_port = 0});
     }},
    {"EVTCHNOP_bind_interdomain", "a port that is closed", BULKHEAD_FAILS(EINVAL),
     [] {
         return call(
             EVTCHNOP_bind_interdomain,
             evtchn_bind_interdomain{.remote_dom = DOMID_SELF, .remote_port = closed, .local_port = 0});
     }},
    {"EVTCHNOP_bind_interdomain", "a port that is connected", BULKHEAD_FAILS(EINVAL),
     [] {
         return call(EVTCHNOP_bind_interdomain, evtchn_bind_interdomain{.remote_dom = DOMID_SELF,
                                                                        .remote_port = connected.value(),
                                                                        .local_port = 0});
     }},
    {"EVTCHNOP_bind_virq", "an unknown virtual interrupt", BULKHEAD_FAILS(EINVAL),
     [] { return call(EVTCHNOP_bind_virq, evtchn_bind_virq{.virq = 24, .vcpu = 0, .port = 0}); }},
    {"EVTCHNOP_bind_virq", "no such vCPU", BULKHEAD_FAILS(ENOENT),
     [] {
         return call(EVTCHNOP_bind_virq, evtchn_bind_virq{.virq = VIRQ_XENOPROF, .vcpu = 500, .port = 0});
     }},
    {"EVTCHNOP_bind_virq", "the domain's, for another vCPU than 0", BULKHEAD_FAILS(EINVAL),
     [] { return call(EVTCHNOP_bind_virq, evtchn_bind_virq{.virq = VIRQ_ARGO, .vcpu = 1, .port = 0}); }},
    {"EVTCHNOP_bind_virq", "bound already", BULKHEAD_FAILS(EEXIST),
     [] { return call(EVTCHNOP_bind_virq, evtchn_bind_virq{.virq = VIRQ_DEBUG, .vcpu = 0, .port = 0}); }},
    {"EVTCHNOP_bind_ipi", "no such vCPU", BULKHEAD_FAILS(ENOENT),
     [] { return call(EVTCHNOP_bind_ipi, evtchn_bind_ipi{.vcpu = 500, .port = 0}); }},
    {"EVTCHNOP_bind_vcpu", "no such vCPU", BULKHEAD_FAILS(ENOENT),
     [] { return call(EVTCHNOP_bind_vcpu, evtchn_bind_vcpu{.port = connected.value(), .vcpu = 500}); }},
    {"EVTCHNOP_bind_vcpu", "a port that is closed", BULKHEAD_FAILS(EINVAL),
     [] { return call(EVTCHNOP_bind_vcpu, evtchn_bind_vcpu{.port = closed, .vcpu = 0}); }},
    {"EVTCHNOP_bind_vcpu", "a port of one vCPU's interrupts", BULKHEAD_FAILS(EINVAL),
     [] { return call(EVTCHNOP_bind_vcpu, evtchn_bind_vcpu{.port = ipi.value(), .vcpu = 0}); }},
    {"EVTCHNOP_bind_vcpu", "a port of a vCPU's virtual interrupt", BULKHEAD_FAILS(EINVAL),
     [] { return call(EVTCHNOP_bind_vcpu, evtchn_bind_vcpu{.port = virq.value(), .vcpu = 0}); }},
    {"EVTCHNOP_close", "a port that is closed", BULKHEAD_FAILS(EINVAL),
     [] { return call(EVTCHNOP_close, evtchn_close{.port = closed}); }},
    {"EVTCHNOP_close", "port 0", BULKHEAD_FAILS(EINVAL),
     [] { return call(EVTCHNOP_close, evtchn_close{.port = 0}); }},
    {"EVTCHNOP_close", "a port beyond the ABI", BULKHEAD_FAILS(EINVAL),
     [] { return call(EVTCHNOP_close, evtchn_close{.port = beyond}); }},
    {"EVTCHNOP_send", "a port that is closed", BULKHEAD_FAILS(EINVAL),
     [] { return call(EVTCHNOP_send, evtchn_send{.port = closed}); }},
    {"EVTCHNOP_send", "a port of a virtual interrupt", BULKHEAD_FAILS(EINVAL),
     [] { return call(EVTCHNOP_send, evtchn_send{.port = virq.value()}); }},
    {"EVTCHNOP_send", "a port beyond the ABI", BULKHEAD_FAILS(EINVAL),
     [] { return call(EVTCHNOP_send, evtchn_send{.port = beyond}); }},
    {"EVTCHNOP_status", "no such domain", BULKHEAD_FAILS(ESRCH),
     [] {
         evtchn_status argument{};
         argument.dom = no_domain;
         return call(EVTCHNOP_status, argument);
     }},
    {"EVTCHNOP_status", "a port beyond the ABI", BULKHEAD_FAILS(EINVAL),
     [] {
         evtchn_status argument{};
         argument.dom = DOMID_SELF;
         argument.port = beyond;
         return call(EVTCHNOP_status, argument);
     }},
    {"EVTCHNOP_unmask", "a port beyond the ABI", BULKHEAD_FAILS(EINVAL),
     [] { return call(EVTCHNOP_unmask, evtchn_unmask{.port = beyond}); }},
    {"EVTCHNOP_unmask", "a port that is closed", BULKHEAD_FAILS(EINVAL),
     [] { return call(EVTCHNOP_unmask, evtchn_unmask{.port = 200}); }},
    {"EVTCHNOP_reset", "no such domain", BULKHEAD_FAILS(ESRCH),
     [] { return call(EVTCHNOP_reset, evtchn_reset{.dom = no_domain}); }},
    {"EVTCHNOP_set_priority", "with the 2-level ABI", BULKHEAD_FAILS(ENOSYS),
     [] {
         return call(EVTCHNOP_set_priority, evtchn_set_priority{.port = connected.value(), .priority = 1});
     }},
    {"EVTCHNOP_expand_array", "with the 2-level ABI", BULKHEAD_FAILS(EOPNOTSUPP),
     [] { return call(EVTCHNOP_expand_array, evtchn_expand_array{.array_gfn = 1}); }},
};

} // namespace

GUEST_TEST(errno_events, "event-channel calls fail with the documented errno") {
    const Port other = works(events::allocate_unbound(DomainId{DOMID_SELF}), "alloc_unbound");
    connected = works(events::bind_interdomain(DomainId{DOMID_SELF}, other), "bind_interdomain");
    virq = works(events::bind_virq(VIRQ_DEBUG), "bind_virq");
    ipi = works(events::bind_ipi(), "bind_ipi");
    check_errnos(rows);
    for (const Port port : {connected, other, virq, ipi})
        works(events::close(port), "close");
}
