// round_robin: equal turns, and the weaknesses its file admits to (they are what makes it the baseline).
#include "tests/policy/machines.hpp"

#include <gtest/gtest.h>

namespace bulkhead::policy_test {
namespace {

TEST(RoundRobin, HogsGetEqualTurnsWhateverTheirWeight) {
    Machine machine{scheduler("round_robin"), realistic()};
    const auto light = machine.add_domain(100, 0, hogs(1));
    const auto heavy = machine.add_domain(1'000, 0, hogs(3));
    machine.run_for(milliseconds(2'000));
    EXPECT_NEAR(machine.share(light), 0.25, 0.01);
    EXPECT_NEAR(machine.share(heavy), 0.75, 0.01);
}

TEST(RoundRobin, WaitIsBoundedByTheOthersSlices) {
    Machine machine{scheduler("round_robin"),
                    {.pcpus = 1, .seed = 1, .parameters = {5'000}, .timer_error = {}, .switch_cost = {}}};
    machine.add_domain(256, 0, hogs(7));
    const auto light = machine.add_domain(256, 0, one<Periodic>(milliseconds(100), microseconds(50)));
    machine.run_for(milliseconds(2'000));
    EXPECT_LE(machine.longest_wait({light, 0}), milliseconds(35));
    EXPECT_GE(percentile(machine.of({light, 0}).latencies, 0.5),
              milliseconds(20)); // bad at latency, as it says
}

} // namespace
} // namespace bulkhead::policy_test
