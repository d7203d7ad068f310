#include "hv/calls/sched.hpp"

#include "abi/pae.hpp"
#include "hv/calls/table.hpp"
#include "hv/dispatch/dispatch.hpp"
#include "hv/dispatch/guest_time.hpp"
#include "hv/dispatch/timers.hpp"
#include "hv/trap/trap.hpp"

#include <algorithm>
#include <span>

namespace bulkhead::hv {

namespace {

constexpr std::uint32_t max_polled = 128;

GuestTime deadline_from(std::uint64_t ns) {
    return GuestTime{static_cast<std::int64_t>(std::min<std::uint64_t>(ns, INT64_MAX))};
}

HypercallResult block(Vcpu& vcpu) {
    mask_events(vcpu, false);
    block_current();
    return 0;
}

HypercallResult shutdown(Domain& domain, std::uint64_t argument) {
    const auto request = GuestPtr<sched_shutdown_t>{argument}.read();
    if (!request)
        return fail(request.error());
    if (request->reason > SHUTDOWN_MAX)
        return fail(Error::invalid);
    shut_down_domain(domain, request->reason);
    return 0;
}

std::uint64_t ports_of(const sched_poll_t& request) {
    return reinterpret_cast<std::uint64_t>(request.ports.p);
}
std::uint64_t ports_of(const pae_abi::SchedPoll& request) { return request.ports; }

// Waits until one of a few ports is pending or the time is over, without enabling the upcall.
template<class Request>
HypercallResult poll(Vcpu& vcpu, Domain& domain, std::uint64_t argument) {
    const auto request = GuestPtr<Request>{argument}.read();
    if (!request)
        return fail(request.error());
    if (request->nr_ports > max_polled)
        return fail(Error::invalid);
    evtchn_port_t ports[max_polled];
    const auto address = ports_of(*request);
    if (!machine::copy_from_guest(ports, GuestAddress{address}, request->nr_ports * sizeof ports[0]))
        return fail(Error::bad_address);
    vcpu.poll.active = true;
    vcpu.poll.port = request->nr_ports == 1 ? ports[0] : 0;
    const auto pending = any_port_pending(domain, std::span{ports, request->nr_ports});
    if (!pending || *pending) {
        vcpu.poll.active = false;
        return pending ? HypercallResult{0} : fail(pending.error());
    }
    if (request->timeout != 0)
        set_poll_timeout(vcpu, deadline_from(request->timeout));
    poll_current();
    return 0;
}

HypercallResult remote_shutdown(Domain& caller, std::uint64_t argument) {
    const auto request = GuestPtr<sched_remote_shutdown_t>{argument}.read();
    if (!request)
        return fail(request.error());
    if (!caller.privileged)
        return fail(Error::permission);
    const auto target = hold_domain(DomainId{request->domain_id});
    if (!target || &*target == &caller)
        return fail(Error::no_domain);
    if (request->reason > SHUTDOWN_MAX)
        return fail(Error::invalid);
    shut_down_domain(*target, request->reason);
    return 0;
}

} // namespace

HypercallResult SchedOp::run(HypercallContext& context) const {
    switch (command) {
    case SCHEDOP_yield:
        yield_current();
        return 0;
    case SCHEDOP_block:
        return block(context.caller);
    case SCHEDOP_shutdown:
        return shutdown(context.domain, argument);
    case SCHEDOP_shutdown_code: // records the reason that a later crash will have; the crash itself carries
                                // one
        return fail(Error::not_implemented);
    case SCHEDOP_poll:
        return poll<sched_poll_t>(context.caller, context.domain, argument);
    case SCHEDOP_remote_shutdown:
        return remote_shutdown(context.domain, argument);
    default:
        return fail(Error::not_implemented);
    }
}

HypercallResult PaeSchedOp::run(HypercallContext& context) const {
    if (call.command == SCHEDOP_poll)
        return poll<pae_abi::SchedPoll>(context.caller, context.domain, call.argument);
    return invoke_hypercall(SchedOp::number, context.caller, context.arguments);
}

HypercallResult SetTimerOp::run(HypercallContext& context) const {
    if (deadline == 0)
        clear_oneshot(context.caller);
    else
        set_oneshot(context.caller, deadline_from(deadline));
    return 0;
}

} // namespace bulkhead::hv
