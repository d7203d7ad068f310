// Event channels from binding to waking: the 2-level ABI's rules, the quota, and guests that spoil their
// shared page.

#include "hv/core/calls_event.hpp"
#include "hv/core/event_channel_bind.hpp"
#include "tests/unit/event_world.hpp"

#include <gtest/gtest.h>
#include <vector>

namespace bulkhead::hv::test {
namespace {

class Events : public testing::Test {
  protected:
    World world;
    Domain& control = world.add_domain("control", 1, true);
    Domain& guest = world.add_domain("guest", 3);

    Vcpu& vcpu(Domain& domain, std::uint32_t i = 0) { return *domain.vcpus[i]; }
    static bool pending(const Domain& domain, Port port) {
        return domain.shared->evtchn_pending[port.value() / 64] >> port.value() % 64 & 1;
    }
    static void mask(Domain& domain, Port port) {
        domain.shared->evtchn_mask[port.value() / 64] |= 1UL << port.value() % 64;
    }
    // As a guest does when it has seen all events.
    static void acknowledge(Domain& domain) {
        for (auto& word : domain.shared->evtchn_pending)
            word = 0;
        for (auto& info : domain.shared->vcpu_info)
            info.evtchn_pending_sel = info.evtchn_upcall_pending = 0;
    }
    std::size_t wakes() {
        const auto count = world.woken.size();
        world.woken.clear();
        return count;
    }
    // A connection whose first event was already seen.
    PortPair connected() {
        const auto pair = connect_ports(guest, control);
        EXPECT_TRUE(pair);
        acknowledge(control);
        world.woken.clear();
        return *pair;
    }
};

TEST_F(Events, SendReachesTheOtherEnd) {
    const auto [port, peer] = connected();
    guest.shared->vcpu_info[0].evtchn_upcall_mask = 0;
    ASSERT_TRUE(send_event(control, vcpu(control), peer));
    EXPECT_TRUE(pending(guest, port));
    EXPECT_EQ(guest.shared->vcpu_info[0].evtchn_pending_sel, 1UL << port.value() / 64);
    EXPECT_EQ(guest.shared->vcpu_info[0].evtchn_upcall_pending, 1);
    EXPECT_EQ(world.woken, std::vector<const Vcpu*>{&vcpu(guest)});
    EXPECT_TRUE(has_work(vcpu(guest)));
    EXPECT_FALSE(pending(control, peer));
    EXPECT_EQ(world.trace_records, 1U);
}

TEST_F(Events, OnePendingEventWakesOnce) {
    const auto [port, peer] = connected();
    for (int i = 0; i < 5; ++i)
        ASSERT_TRUE(send_event(control, vcpu(control), peer));
    EXPECT_EQ(wakes(), 1U);
    acknowledge(guest);
    ASSERT_TRUE(send_event(control, vcpu(control), peer));
    EXPECT_EQ(wakes(), 1U);
}

TEST_F(Events, SecondPortUnderARaisedSelectorDoesNotWakeAgain) {
    const auto [first, first_peer] = connected();
    const auto [second, second_peer] = connected();
    ASSERT_TRUE(send_event(control, vcpu(control), first_peer));
    ASSERT_TRUE(send_event(control, vcpu(control), second_peer));
    EXPECT_TRUE(pending(guest, second));
    EXPECT_EQ(wakes(), 1U);
}

TEST_F(Events, MaskedPortWaitsForUnmask) {
    const auto [port, peer] = connected();
    mask(guest, port);
    ASSERT_TRUE(send_event(control, vcpu(control), peer));
    EXPECT_TRUE(pending(guest, port));
    EXPECT_EQ(guest.shared->vcpu_info[0].evtchn_upcall_pending, 0);
    EXPECT_EQ(wakes(), 0U);
    ASSERT_TRUE(unmask_port(guest, port));
    EXPECT_EQ(guest.shared->evtchn_mask[port.value() / 64], 0U);
    EXPECT_EQ(guest.shared->vcpu_info[0].evtchn_upcall_pending, 1);
    EXPECT_EQ(wakes(), 1U);
    ASSERT_TRUE(unmask_port(guest, port)); // nothing was masked: no second upcall
    EXPECT_EQ(wakes(), 0U);
}

TEST_F(Events, MaskedUpcallIsPendingButNoWork) {
    const auto [port, peer] = connected();
    vcpu(guest).info->evtchn_upcall_mask = 1;
    ASSERT_TRUE(send_event(control, vcpu(control), peer));
    EXPECT_EQ(vcpu(guest).info->evtchn_upcall_pending, 1);
    EXPECT_FALSE(has_work(vcpu(guest)));
}

TEST_F(Events, PollOfOnePortIgnoresOthersAndMasks) {
    const auto [polled, polled_peer] = connected();
    const auto [other, other_peer] = connected();
    mask(guest, polled);
    mask(guest, other);
    vcpu(guest, 2).polling = true;
    vcpu(guest, 2).polled_port = polled.value();
    ASSERT_TRUE(send_event(control, vcpu(control), other_peer));
    EXPECT_EQ(wakes(), 0U);
    EXPECT_FALSE(has_work(vcpu(guest, 2)));
    ASSERT_TRUE(send_event(control, vcpu(control), polled_peer));
    EXPECT_EQ(world.woken, std::vector<const Vcpu*>{&vcpu(guest, 2)});
    EXPECT_FALSE(vcpu(guest, 2).polling);
}

TEST_F(Events, PollOfSeveralPortsEndsWithAnyEvent) {
    const auto [port, peer] = connected();
    mask(guest, port);
    vcpu(guest, 1).polling = true;
    vcpu(guest, 1).polled_port = 0;
    ASSERT_TRUE(send_event(control, vcpu(control), peer));
    EXPECT_EQ(world.woken, std::vector<const Vcpu*>{&vcpu(guest, 1)});
}

TEST_F(Events, PollTestSeesPendingPortsAndRefusesNumbersOutsideTheAbi) {
    const auto [port, peer] = connected();
    const evtchn_port_t asked[] = {1, port.value()};
    EXPECT_FALSE(*any_port_pending(guest, asked));
    ASSERT_TRUE(send_event(control, vcpu(control), peer));
    EXPECT_TRUE(*any_port_pending(guest, asked));
    const evtchn_port_t outside[] = {port.value(), max_ports};
    EXPECT_EQ(any_port_pending(guest, outside), fail(Error::invalid));
}

TEST_F(Events, ClosingLeavesThePeerUnbound) {
    const auto [port, peer] = connected();
    ASSERT_TRUE(send_event(control, vcpu(control), peer));
    ASSERT_TRUE(close_port(guest, port));
    EXPECT_FALSE(pending(guest, port));
    EXPECT_EQ(port_status(guest, port)->status, unsigned{EVTCHNSTAT_closed});
    const auto status = port_status(control, peer);
    EXPECT_EQ(status->status, unsigned{EVTCHNSTAT_unbound});
    EXPECT_EQ(status->u.unbound.dom, guest.id.value());
    EXPECT_TRUE(send_event(control, vcpu(control), peer)); // to nobody
    EXPECT_FALSE(pending(guest, port));
    EXPECT_EQ(close_port(guest, port), fail(Error::invalid));
    const auto again = bind_interdomain(guest, control, peer);
    ASSERT_TRUE(again);
    EXPECT_EQ(*again, port); // the lowest free one
}

TEST_F(Events, OnlyTheInvitedDomainBindsAndOnlyOnce) {
    Domain& third = world.add_domain("third");
    const auto port = alloc_unbound(control, guest.id);
    ASSERT_TRUE(port);
    EXPECT_EQ(bind_interdomain(third, control, *port), fail(Error::invalid));
    EXPECT_EQ(bind_interdomain(guest, control, Port{0}), fail(Error::invalid));
    EXPECT_EQ(bind_interdomain(guest, control, Port{max_ports}), fail(Error::invalid));
    ASSERT_TRUE(bind_interdomain(guest, control, *port));
    EXPECT_EQ(bind_interdomain(guest, control, *port), fail(Error::invalid));
}

TEST_F(Events, BindingRaisesTheNewPortBecauseEarlierEventsWereLost) {
    const auto port = alloc_unbound(control, guest.id);
    const auto bound = bind_interdomain(guest, control, *port);
    ASSERT_TRUE(bound);
    EXPECT_TRUE(pending(guest, *bound));
}

TEST_F(Events, NobodyBindsToADyingDomain) {
    const auto port = alloc_unbound(control, guest.id);
    control.life = control::Life::dying;
    EXPECT_EQ(bind_interdomain(guest, control, *port), fail(Error::no_domain));
    EXPECT_EQ(alloc_unbound(control, guest.id), fail(Error::no_domain));
}

TEST_F(Events, LoopbackChannelWithinOneDomain) {
    const auto listener = alloc_unbound(guest, guest.id);
    const auto sender = bind_interdomain(guest, guest, *listener);
    ASSERT_TRUE(sender);
    ASSERT_TRUE(send_event(guest, vcpu(guest), *sender));
    EXPECT_TRUE(pending(guest, *listener));
    ASSERT_TRUE(close_port(guest, *sender));
    EXPECT_EQ(port_status(guest, *listener)->status, unsigned{EVTCHNSTAT_unbound});
}

TEST_F(Events, VirtualInterruptsPerVcpuAndGlobal) {
    const auto timer = bind_virq(guest, VIRQ_TIMER, 1);
    ASSERT_TRUE(timer);
    EXPECT_EQ(bind_virq(guest, VIRQ_TIMER, 1), fail(Error::exists));
    EXPECT_TRUE(bind_virq(guest, VIRQ_TIMER, 2));
    EXPECT_EQ(bind_virq(guest, VIRQ_TIMER, 3), fail(Error::no_entry));
    EXPECT_EQ(bind_virq(guest, NR_VIRQS, 0), fail(Error::invalid));
    EXPECT_EQ(bind_virq(guest, VIRQ_DOM_EXC, 1), fail(Error::invalid));
    raise_virq(vcpu(guest, 0), VIRQ_TIMER); // not bound there
    EXPECT_EQ(wakes(), 0U);
    raise_virq(vcpu(guest, 1), VIRQ_TIMER);
    EXPECT_EQ(world.woken, std::vector<const Vcpu*>{&vcpu(guest, 1)});
    EXPECT_EQ(send_event(guest, vcpu(guest), *timer),
              fail(Error::invalid)); // only the hypervisor sends these
    ASSERT_TRUE(close_port(guest, *timer));
    world.woken.clear();
    acknowledge(guest);
    raise_virq(vcpu(guest, 1), VIRQ_TIMER);
    EXPECT_EQ(wakes(), 0U);
    EXPECT_TRUE(bind_virq(guest, VIRQ_TIMER, 1));
    const auto exceptional = bind_virq(control, VIRQ_DOM_EXC, 0);
    raise_global_virq(control, VIRQ_DOM_EXC);
    EXPECT_TRUE(pending(control, *exceptional));
}

TEST_F(Events, IpiStaysOnItsVcpu) {
    const auto port = bind_ipi(guest, 2);
    ASSERT_TRUE(port);
    EXPECT_EQ(bind_ipi(guest, 3), fail(Error::no_entry));
    ASSERT_TRUE(send_event(guest, vcpu(guest), *port));
    EXPECT_EQ(world.woken, std::vector<const Vcpu*>{&vcpu(guest, 2)});
    EXPECT_EQ(bind_vcpu(guest, *port, 0), fail(Error::invalid));
    EXPECT_EQ(port_status(guest, *port)->vcpu, 2U);
}

TEST_F(Events, InterdomainPortMovesToAnotherVcpu) {
    const auto [port, peer] = connected();
    ASSERT_TRUE(bind_vcpu(guest, port, 2));
    EXPECT_EQ(bind_vcpu(guest, port, 3), fail(Error::no_entry));
    ASSERT_TRUE(send_event(control, vcpu(control), peer));
    EXPECT_EQ(world.woken, std::vector<const Vcpu*>{&vcpu(guest, 2)});
    EXPECT_EQ(guest.shared->vcpu_info[0].evtchn_pending_sel, 0U);
}

int handled = 0;

TEST_F(Events, HypervisorPortCallsItsHandler) {
    handled = 0;
    const PortHandler handler = [](Domain&, Port) { ++handled; };
    const auto port = bind_hypervisor_port(guest, handler);
    ASSERT_TRUE(port);
    ASSERT_TRUE(send_event(guest, vcpu(guest), *port));
    EXPECT_EQ(handled, 1);
    raise_hypervisor_port(guest, *port, handler);
    EXPECT_TRUE(pending(guest, *port));
    ASSERT_TRUE(close_port(guest, *port));
    const auto reused = bind_ipi(guest, 0);
    ASSERT_EQ(*reused, *port);
    raise_hypervisor_port(guest, *port, handler); // the number means something else now
    EXPECT_FALSE(pending(guest, *port));
}

TEST_F(Events, PortZeroIsNobodys) {
    EXPECT_EQ(close_port(guest, Port{0}), fail(Error::invalid));
    EXPECT_EQ(send_event(guest, vcpu(guest), Port{0}), fail(Error::invalid));
    EXPECT_EQ(unmask_port(guest, Port{0}), fail(Error::invalid));
    raise_port(guest, Port{0});
    EXPECT_FALSE(pending(guest, Port{0}));
}

TEST_F(Events, AllPortsAndNotOneMore) {
    for (std::uint32_t i = 1; i < max_ports; ++i)
        ASSERT_TRUE(bind_ipi(guest, 0)) << i;
    EXPECT_EQ(bind_ipi(guest, 0), fail(Error::no_space));
    ASSERT_TRUE(send_event(guest, vcpu(guest), Port{max_ports - 1}));
    EXPECT_TRUE(pending(guest, Port{max_ports - 1}));
    ASSERT_TRUE(close_port(guest, Port{1234}));
    EXPECT_EQ(bind_ipi(guest, 0), Port{1234});
}

TEST_F(Events, PortsArePaidFromTheQuotaOfTheirDomain) {
    guest.max_metadata = guest.metadata;
    for (std::uint32_t i = 1; i < EventChannels::ports_per_page; ++i)
        ASSERT_TRUE(bind_ipi(guest, 0));
    EXPECT_EQ(bind_ipi(guest, 0), fail(Error::no_memory));
    EXPECT_EQ(connect_ports(guest, control), fail(Error::no_memory));
    EXPECT_EQ(connect_ports(control, guest), fail(Error::no_memory));
    EXPECT_EQ(port_status(control, Port{1})->status, unsigned{EVTCHNSTAT_closed}); // the half made was undone
    ++guest.max_metadata;
    EXPECT_TRUE(bind_ipi(guest, 0));
}

TEST_F(Events, ResetIsPreemptibleAndClosesEverything) {
    for (int i = 0; i < 100; ++i)
        ASSERT_TRUE(connect_ports(guest, control));
    const auto before = frame_table().free_frames();
    world.machine.preempt_every = 7;
    EXPECT_EQ(world.call<EventChannelOp>(vcpu(guest), EVTCHNOP_reset, world.put(evtchn_reset_t{DOMID_SELF})),
              0);
    EXPECT_EQ(world.restarts, 100U / 7);
    for (std::uint32_t i = 1; i <= 100; ++i) {
        EXPECT_EQ(port_status(guest, Port{i})->status, unsigned{EVTCHNSTAT_closed});
        EXPECT_EQ(port_status(control, Port{i})->status, unsigned{EVTCHNSTAT_unbound});
    }
    EXPECT_EQ(bind_ipi(guest, 0), Port{1});
    EXPECT_EQ(frame_table().free_frames(), before);
}

TEST_F(Events, DeathGivesThePagesBack) {
    for (std::uint32_t i = 1; i < 1000; ++i)
        ASSERT_TRUE(bind_ipi(guest, 0));
    EXPECT_EQ(guest.metadata, 1000 / EventChannels::ports_per_page + 1);
    world.machine.preempt_every = 50;
    int steps = 1;
    while (close_all_ports(guest) == fail(Error::restart))
        ++steps;
    EXPECT_EQ(steps, 20);
    EXPECT_EQ(guest.metadata, 0U);
    raise_port(guest, Port{1});
    EXPECT_FALSE(pending(guest, Port{1}));
    EXPECT_EQ(port_status(guest, Port{1})->status, unsigned{EVTCHNSTAT_closed});
}

TEST_F(Events, SpoiledSharedPageChangesNothingThatCounts) {
    const auto [port, peer] = connected();
    std::memset(guest.shared, 0xff, sizeof *guest.shared);
    ASSERT_TRUE(send_event(control, vcpu(control), peer));
    EXPECT_EQ(wakes(), 0U); // it claims to have it all pending already: its own loss
    EXPECT_EQ(port_status(guest, port)->status, unsigned{EVTCHNSTAT_interdomain});
    EXPECT_EQ(port_status(guest, port)->u.interdomain.port, peer.value());
    acknowledge(guest);
    std::memset(guest.shared->evtchn_mask, 0, sizeof guest.shared->evtchn_mask);
    ASSERT_TRUE(send_event(control, vcpu(control), peer));
    EXPECT_EQ(wakes(), 1U);
}

class EventCalls : public Events {
  protected:
    template<class T>
    HypercallResult call(Domain& caller, std::uint32_t command, const T& argument) {
        return world.call<EventChannelOp>(vcpu(caller), command, world.put(argument));
    }
};

TEST_F(EventCalls, ConnectSendAndAskThroughTheAbi) {
    ASSERT_EQ(call(control, EVTCHNOP_alloc_unbound,
                   evtchn_alloc_unbound_t{.dom = guest.id.value(), .remote_dom = DOMID_SELF, .port = 0}),
              0);
    const Port port{world.get<evtchn_alloc_unbound_t>().port};
    ASSERT_EQ(call(control, EVTCHNOP_bind_interdomain,
                   evtchn_bind_interdomain_t{
                       .remote_dom = guest.id.value(), .remote_port = port.value(), .local_port = 0}),
              0);
    const Port peer{world.get<evtchn_bind_interdomain_t>().local_port};
    ASSERT_EQ(call(control, EVTCHNOP_send, evtchn_send_t{peer.value()}), 0);
    EXPECT_TRUE(pending(guest, port));
    evtchn_status_t ask{};
    ask.dom = guest.id.value();
    ask.port = port.value();
    ASSERT_EQ(call(control, EVTCHNOP_status, ask), 0);
    EXPECT_EQ(world.get<evtchn_status_t>().status, unsigned{EVTCHNSTAT_interdomain});
    EXPECT_EQ(world.get<evtchn_status_t>().u.interdomain.port, peer.value());
    ASSERT_EQ(call(guest, EVTCHNOP_close, evtchn_close_t{port.value()}), 0);
}

TEST_F(EventCalls, ForeignDomainsNeedPrivilege) {
    const evtchn_alloc_unbound_t allocate{.dom = control.id.value(), .remote_dom = DOMID_SELF, .port = 0};
    EXPECT_EQ(call(guest, EVTCHNOP_alloc_unbound, allocate), fail(Error::permission));
    evtchn_status_t ask{};
    ask.dom = control.id.value();
    EXPECT_EQ(call(guest, EVTCHNOP_status, ask), fail(Error::permission));
    EXPECT_EQ(call(guest, EVTCHNOP_reset, evtchn_reset_t{control.id.value()}), fail(Error::permission));
}

TEST_F(EventCalls, WrongUse) {
    EXPECT_EQ(world.call<EventChannelOp>(vcpu(guest), EVTCHNOP_send, 0), fail(Error::bad_address));
    EXPECT_EQ(world.call<EventChannelOp>(vcpu(guest), EVTCHNOP_bind_ipi, 0xffff'8000'0000'0000),
              fail(Error::bad_address));
    EXPECT_EQ(world.call<EventChannelOp>(vcpu(guest), 99, world.put(0)), fail(Error::not_implemented));
    EXPECT_EQ(call(guest, EVTCHNOP_init_control, evtchn_init_control_t{}), fail(Error::not_implemented));
    EXPECT_EQ(call(guest, EVTCHNOP_bind_pirq, evtchn_bind_pirq_t{}), fail(Error::permission));
    EXPECT_EQ(call(guest, EVTCHNOP_send, evtchn_send_t{77}), fail(Error::invalid));
    EXPECT_EQ(call(guest, EVTCHNOP_send, evtchn_send_t{~0U}), fail(Error::invalid));
    evtchn_status_t ask{};
    ask.dom = DOMID_SELF;
    ask.port = max_ports;
    EXPECT_EQ(call(guest, EVTCHNOP_status, ask), fail(Error::invalid));
    EXPECT_EQ(call(guest, EVTCHNOP_bind_interdomain,
                   evtchn_bind_interdomain_t{.remote_dom = 77, .remote_port = 1, .local_port = 0}),
              fail(Error::no_domain));
}

} // namespace
} // namespace bulkhead::hv::test
