// What misbehaving memory policies are caught for, and that an ejection loses nothing.
#include "sim/machine_memory.hpp"
#include "tests/policy/kinds.hpp"

#include <gmock/gmock.h>
#include <vector>

namespace bulkhead::policy_test {
namespace {

using memctl::Frames;
constexpr auto kind = plugin::Kind::memory;

using Case = std::pair<std::int64_t, const char*>;
class MemoryChaos : public testing::TestWithParam<Case> {
  public:
    static constexpr std::uint16_t ids[] = {1, 2};
    // Two domains that take and give back, before and after the policy turns bad.
    static void drive(sim::MachineMemory& host) {
        for (const std::uint16_t id : ids)
            host.admit({.id = DomainId{id}, .least = Frames{20}, .most = Frames{700}, .values = {}}, {});
        for (std::int64_t ms = 1; ms <= 60; ++ms) {
            const RealTime now = RealTime{} + milliseconds(ms);
            for (const std::uint16_t id : ids) {
                host.release(DomainId{id}, Frames{30}, now);
                host.populate(DomainId{id}, Frames{ms > 20 ? 10 : 300}, now);
                host.to_reclaim(DomainId{id}, now);
            }
            if (ms == 30)
                host.admit({.id = DomainId{3}, .least = Frames{970}, .most = Frames{990}, .values = {}}, now);
            host.rebalance(now);
        }
    }

  protected:
    sim::Policy policy_ = named(kind, "chaos", {GetParam().first, 20'000});
};

TEST_P(MemoryChaos, IsCaught) {
    sim::MachineMemory host{policy_, {.frames = Frames{1'000}, .zones = 2, .seed = 1, .eject = false}};
    std::string said;
    try {
        drive(host);
    } catch (const sim::Misconduct& misconduct) {
        said = misconduct.what();
    }
    EXPECT_THAT(said, testing::HasSubstr(GetParam().second));
}

TEST_P(MemoryChaos, IsEjectedAndNothingIsLost) {
    sim::MachineMemory host{policy_, {.frames = Frames{1'000}, .zones = 2, .seed = 1, .eject = true}};
    drive(host);
    EXPECT_EQ(host.report().ejected, static_cast<std::uint32_t>(plugin::Fault::wrong_answer));
    EXPECT_STREQ(host.report().name, "chaos");
    EXPECT_GE(host.report().ejected_at, 20'000'000);
    EXPECT_EQ(host.free() + host.has(DomainId{1}) + host.has(DomainId{2}), Frames{1'000});
    EXPECT_GE(host.target(DomainId{1}), Frames{20});
    EXPECT_GE(host.target(DomainId{2}), Frames{20});
}

// Faults and loops are contained; an ejection is stamped at a simulated instant.
struct Contained {
    std::int64_t mode;
    memctl::Hook hook;
    plugin::Fault fault;
    Nanos late; // after the hook was called
};
class MemoryContained : public testing::TestWithParam<Contained> {};

TEST_P(MemoryContained, IsEjectedAndNothingIsLost) {
    const sim::Guard::Scope loops_end;
    const auto& [mode, hook, fault, late] = GetParam();
    sim::MachineMemory host{named(kind, "chaos", {mode, 20'000}),
                            {.frames = Frames{1'000}, .zones = 2, .seed = 1, .eject = true}};
    MemoryChaos::drive(host);
    EXPECT_EQ(host.report().ejected, static_cast<std::uint32_t>(fault));
    EXPECT_EQ(host.report().hook, static_cast<std::uint32_t>(hook));
    EXPECT_EQ(host.report().ejected_at, (milliseconds(20) + late).count());
    EXPECT_EQ(host.free() + host.has(DomainId{1}) + host.has(DomainId{2}), Frames{1'000});
}

INSTANTIATE_TEST_SUITE_P(Modes, MemoryContained,
                         testing::Values(Contained{10, memctl::Hook::choose, plugin::Fault::trapped, {}},
                                         Contained{11, memctl::Hook::rebalance, plugin::Fault::over_budget,
                                                   memctl::rebalance_budget},
                                         Contained{12, memctl::Hook::rebalance, plugin::Fault::over_budget,
                                                   memctl::rebalance_budget}));

INSTANTIATE_TEST_SUITE_P(Modes, MemoryChaos,
                         testing::Values(Case{1, "zone that does not exist"}, Case{2, "more frames than"},
                                         Case{3, "less than none"}, Case{4, "outside of what"},
                                         Case{5, "outside of what"}, Case{6, "more frames than the machine"},
                                         Case{7, "do not fit"}, Case{8, "reclaim: more"},
                                         Case{9, "no frames, though"}));

} // namespace
} // namespace bulkhead::policy_test
