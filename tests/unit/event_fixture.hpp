// A control domain and a guest with three vCPUs: what the tests of event channels start from.
#pragma once

#include "hv/calls/event.hpp"
#include "hv/event/bind.hpp"
#include "tests/unit/event_world.hpp"

#include <gtest/gtest.h>
#include <vector>

namespace bulkhead::hv::test {

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

} // namespace bulkhead::hv::test
