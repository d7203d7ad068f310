// Yield comes back, block ends with an event that came first, poll ends by its port or its timeout, nonsense
// is refused.
#include "guest/runtime/clock.hpp"
#include "guest/runtime/events.hpp"
#include "guest/runtime/hypercall.hpp"
#include "guest/runtime/schedule.hpp"
#include "tests/guest/test.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

static Status poll(evtchn_port_t* ports, unsigned count, GuestTime timeout) {
    sched_poll call{};
    call.ports.p = ports;
    call.nr_ports = count;
    call.timeout = static_cast<std::uint64_t>(timeout.since_start().count());
    const auto result = hypercall::sched_op(SCHEDOP_poll, &call);
    if (!result)
        return std::unexpected{result.error()};
    return {};
}

GUEST_TEST(sched_operations, "yield, block and poll return when they should") {
    yield();
    const Port port = works(events::bind_ipi(), "bind_ipi");
    events::listen(port);
    {
        const events::Masked guard;
        works(events::notify(port), "an event before blocking");
        const GuestTime before = now();
        works(hypercall::set_timer(before + milliseconds(500)), "a timer in case");
        block();
        check(now() - before < milliseconds(400), "block slept although an event was pending");
    }
    check(events::take(port), "the event was lost");

    events::mask(port);
    evtchn_port_t polled = port.value();
    GuestTime before = now();
    works(poll(&polled, 1, before + milliseconds(2)), "poll");
    check(now() - before >= milliseconds(2), "poll ended {} ns early", milliseconds(2) - (now() - before));
    check(now() - before < milliseconds(200), "poll ended {} ns after its start", now() - before);
    works(events::notify(port), "an event before polling");
    before = now();
    works(poll(&polled, 1, before + milliseconds(500)), "poll with a pending port");
    check(now() - before < milliseconds(400), "poll slept although its port was pending");
    evtchn_port_t nonsense = 500'000;
    refused(poll(&nonsense, 1, now() + milliseconds(1)), "polling a port that cannot be");
    refused(poll(&polled, 1000, now() + milliseconds(1)), "polling a thousand ports");
    refused(hypercall::sched_op(77, nullptr), Error::no_such_call, "an unknown command");
    works(events::close(port), "close");
}
