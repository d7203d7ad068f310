// Thousands of ports that were opened once, or are all in use, make neither the next bind nor a reset long:
// the hypervisor looks for ports, not at each of them. Runs alone, because a reset closes the guest's own
// console and timer ports.
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

// For which the vCPU has run; a call may make way for others in its middle.
Nanos ran_for() {
    vcpu_runstate_info info{};
    works(hypercall::vcpu_op(VCPUOP_get_runstate_info, 0, &info), "get_runstate_info");
    return Nanos{static_cast<std::int64_t>(info.time[RUNSTATE_running])};
}

template<class Call>
Nanos time_of(Call call) {
    const Nanos before = ran_for();
    call();
    return ran_for() - before;
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
    const std::uint32_t again = open_all();
    check(again >= count, "after a reset only {} of {} ports can be opened", again, count);
    for (std::uint32_t i = 0; i < again; ++i)
        check(ports[i].value() < EVTCHN_2L_NR_CHANNELS, "port {} was opened", ports[i].value());
}
