// The limits of event channels: quota, all ports, preemption, death, spoiled shared pages; and the
// hypercall's arguments.

#include "tests/unit/event_fixture.hpp"

#include <gtest/gtest.h>

namespace bulkhead::hv::test {
namespace {

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
    guest.memory.max_metadata = guest.memory.metadata;
    for (std::uint32_t i = 1; i < EventChannels::ports_per_page; ++i)
        ASSERT_TRUE(bind_ipi(guest, 0));
    EXPECT_EQ(bind_ipi(guest, 0), fail(Error::no_memory));
    EXPECT_EQ(connect_ports(guest, control), fail(Error::no_memory));
    EXPECT_EQ(connect_ports(control, guest), fail(Error::no_memory));
    EXPECT_EQ(port_status(control, Port{1})->status, unsigned{EVTCHNSTAT_closed}); // the half made was undone
    ++guest.memory.max_metadata;
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
    EXPECT_EQ(guest.memory.metadata, 1000 / EventChannels::ports_per_page + 1);
    world.machine.preempt_every = 50;
    int steps = 1;
    while (close_all_ports(guest) == fail(Error::restart))
        ++steps;
    EXPECT_EQ(steps, 20);
    EXPECT_EQ(guest.memory.metadata, 0U);
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
    EXPECT_EQ(call(guest, EVTCHNOP_init_control, evtchn_init_control_t{}), fail(Error::not_supported));
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
