// Event channels from binding to waking: the 2-level ABI's rules for each kind of port.

#include "tests/unit/event_fixture.hpp"

#include <gtest/gtest.h>

namespace bulkhead::hv::test {
namespace {

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
    vcpu(guest, 2).poll.active = true;
    vcpu(guest, 2).poll.port = polled.value();
    ASSERT_TRUE(send_event(control, vcpu(control), other_peer));
    EXPECT_EQ(wakes(), 0U);
    EXPECT_FALSE(has_work(vcpu(guest, 2)));
    ASSERT_TRUE(send_event(control, vcpu(control), polled_peer));
    EXPECT_EQ(world.woken, std::vector<const Vcpu*>{&vcpu(guest, 2)});
    EXPECT_FALSE(vcpu(guest, 2).poll.active);
    EXPECT_EQ(world.timeouts_cleared, world.woken); // or it would end the next wait
}

TEST_F(Events, PollOfSeveralPortsEndsWithAnyEvent) {
    const auto [port, peer] = connected();
    mask(guest, port);
    vcpu(guest, 1).poll.active = true;
    vcpu(guest, 1).poll.port = 0;
    ASSERT_TRUE(send_event(control, vcpu(control), peer));
    EXPECT_EQ(world.woken, std::vector<const Vcpu*>{&vcpu(guest, 1)});
    EXPECT_EQ(world.timeouts_cleared, world.woken);
}

TEST_F(Events, UpcallEndsAPollAndItsTimeout) {
    const auto [port, peer] = connected();
    vcpu(guest).poll.active = true;
    vcpu(guest).poll.port = max_ports - 1;
    ASSERT_TRUE(send_event(control, vcpu(control), peer));
    EXPECT_FALSE(vcpu(guest).poll.active);
    EXPECT_EQ(world.timeouts_cleared, std::vector<const Vcpu*>{&vcpu(guest)});
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

TEST_F(Events, APortThatWaitsForADeadDomainDoesNotWaitForTheNextOneOfItsId) {
    Domain& third = world.add_domain("third");
    const auto waiting = alloc_unbound(control, guest.id), other = alloc_unbound(control, third.id);
    const auto [port, peer] =
        connected(); // the control domain's end waits again when the guest closes its own
    guest.life = control::Life::dying;
    ASSERT_TRUE(close_all_ports(guest));
    world.machine.preempt_every = 1; // each step makes some progress
    auto done = forget_domain_in_ports(guest);
    for (int parts = 0; !done && done.error() == Error::restart && parts < 1000; ++parts)
        done = forget_domain_in_ports(guest);
    ASSERT_TRUE(done);
    world.machine.preempt_every = 0;
    const auto late = alloc_unbound(control, guest.id); // while the guest still is dying
    ASSERT_TRUE(late);

    guest.life = control::Life::running; // a stranger with the same id
    ASSERT_TRUE(guest.events.start(guest));
    for (const auto each : {*waiting, peer, *late}) {
        EXPECT_EQ(port_status(control, each)->status, unsigned{EVTCHNSTAT_unbound});
        EXPECT_EQ(port_status(control, each)->u.unbound.dom, DOMID_INVALID);
        EXPECT_EQ(bind_interdomain(guest, control, each), fail(Error::invalid));
        EXPECT_TRUE(close_port(control, each));
    }
    EXPECT_TRUE(bind_interdomain(third, control, *other)) << "ports that wait for others are left alone";
}

TEST_F(Events, APortForADomainThatIsNotThereWaitsForNobody) {
    const auto port = alloc_unbound(control, DomainId{77});
    ASSERT_TRUE(port);
    EXPECT_EQ(port_status(control, *port)->status, unsigned{EVTCHNSTAT_unbound});
    EXPECT_EQ(port_status(control, *port)->u.unbound.dom, DOMID_INVALID);
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

} // namespace
} // namespace bulkhead::hv::test
