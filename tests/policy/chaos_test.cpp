// chaos: what it does in the ways that a process survives must be caught, each as what it is. Faults of the
// processor are for the hypervisor's own tests.
#include "tests/policy/machines.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace bulkhead::policy_test {
namespace {

enum Mode : std::int64_t {
    stray = 1,
    blocked = 2,
    short_slice = 3,
    long_slice = 4,
    short_idle = 5,
    starve = 15,
    idle = 16,
    forget = 17
};

Machine chaos(Mode mode) {
    MachineOptions options = realistic();
    options.parameters = {mode, 5, 20'000};
    return Machine{scheduler("chaos"), options};
}

// What the machine says of it; empty if it sees nothing wrong.
std::string complaint(Machine& machine) {
    machine.add_domain(256, 0, hogs(1));
    machine.add_domain(256, 0, one<Periodic>(milliseconds(3), microseconds(100)));
    machine.run_for(milliseconds(15)); // it behaves until then
    try {
        machine.run_for(milliseconds(100));
    } catch (const Misconduct& misconduct) {
        return misconduct.what();
    }
    return "";
}

using Case = std::pair<Mode, const char*>;
class Chaos : public testing::TestWithParam<Case> {};

TEST_P(Chaos, IsCaught) {
    Machine machine = chaos(GetParam().first);
    EXPECT_THAT(complaint(machine), testing::HasSubstr(GetParam().second));
}
INSTANTIATE_TEST_SUITE_P(Modes, Chaos,
                         testing::Values(Case{stray, "not a vCPU"}, Case{blocked, "not runnable"},
                                         Case{short_slice, "slice out of bounds"},
                                         Case{long_slice, "slice out of bounds"},
                                         Case{short_idle, "idle for less"}, Case{idle, "idles"}));

// These break no single answer: only the wait shows them.
class ChaosStarves : public testing::TestWithParam<Mode> {};

TEST_P(ChaosStarves, SomebodyWaitsForGood) {
    Machine machine = chaos(GetParam());
    EXPECT_EQ(complaint(machine), "");
    Nanos longest{};
    for (const VcpuKey& key : machine.vcpus())
        longest = std::max(longest, machine.longest_wait(key));
    EXPECT_GE(longest, milliseconds(80));
}
INSTANTIATE_TEST_SUITE_P(Modes, ChaosStarves, testing::Values(starve, forget));

} // namespace
} // namespace bulkhead::policy_test
