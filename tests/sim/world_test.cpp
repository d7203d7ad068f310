// Whole simulated machines: shares, accounts to the nanosecond, the same trace each time, guests that talk.
#include "host/section.hpp"
#include "tests/sim/worlds.hpp"

#include <gmock/gmock.h>

namespace bulkhead::sim_test {
namespace {

std::string test_name(const testing::TestParamInfo<std::filesystem::path>& info) {
    return info.param.stem().string();
}

class Worlds : public testing::TestWithParam<std::filesystem::path> {
  protected:
    Policy policy() const { return policy_of(PluginFile::open(GetParam()).value()); }
};

std::vector<GuestPlan> company() {
    std::vector<GuestPlan> guests{
        guest("victim", "responder", {{"peer", "pinger"}, {"work", "3125"}}),
        guest("pinger", "pinger",
              {{"peer", "victim"}, {"period_us", "1130"}, {"phase_ns", "0"}, {"requests", "0"}}),
        guest("yields", "yield_storm", {{"mark_yields", "1000"}}),
        guest("timers", "timer_storm", {{"mark_timers", "1000"}, {"ahead_us", "0"}}),
        guest("events", "event_storm", {{"mark_events", "1000"}}),
        guest("dodger", "tick_dodger",
              {{"tick_us", "10000"}, {"phase_us", "0"}, {"guard_us", "200"}, {"after_us", "50"}}),
        guest("task", "periodic", {{"period_us", "2000"}, {"work_us", "100"}, {"phase_ns", "0"}}),
        guest("bursts", "on_off", {{"on_us", "700"}, {"off_us", "900"}}),
        guest("rare", "sporadic", {{"gap_us", "500"}, {"mean_us", "900"}, {"work_us", "40"}}),
        guest("again", "replay", {{"steps", "300000:500000/1000:0/50000:2000000"}}),
        hog("hog"),
    };
    return guests;
}

TEST_P(Worlds, EveryNanosecondIsSomebodys) {
    for (const std::uint32_t pcpus : {1u, 3u}) {
        World world{policy(), plan(company(), milliseconds(400), pcpus)};
        const auto page = finish(world);
        EXPECT_EQ(page.policies[0].ejected, 0u);
        for (std::uint32_t i = 0; i < pcpus; ++i) {
            const auto& cpu = page.pcpu_ledgers[i];
            EXPECT_EQ(cpu.end - cpu.start, cpu.guest_ns + cpu.hypervisor_ns + cpu.idle_ns + cpu.unbilled_ns);
        }
        std::int64_t guests = 0, hypervisor = 0;
        for (const Domain& domain : world.machine().domains()) {
            guests += domain.ledger.guest_ns;
            hypervisor += domain.ledger.hypervisor_ns;
            EXPECT_GT(domain.ledger.run_ins, 0u) << domain.ledger.name;
        }
        for (std::uint32_t i = 0; i < pcpus; ++i) {
            guests -= page.pcpu_ledgers[i].guest_ns;
            hypervisor -= page.pcpu_ledgers[i].hypervisor_ns;
        }
        EXPECT_EQ(guests, 0);
        EXPECT_EQ(hypervisor, 0);
    }
}

TEST_P(Worlds, HousekeepingTakesASectionHoweverManyGuestsThereAre) {
    constexpr std::int64_t visit = 1'000; // ns for each guest
    std::vector<GuestPlan> crowd;
    for (int i = 0; i < 60; ++i)
        crowd.push_back(guest("sleeper" + std::to_string(i), "periodic",
                              {{"period_us", "10000000"}, {"work_us", "1"}, {"phase_ns", "0"}}));
    Plan machine = plan(std::move(crowd), milliseconds(200));
    machine.machine.costs = Costs{};
    machine.machine.costs.housekeeping = visit;
    World world{policy(), machine};
    const auto& cpu = finish(world).pcpu_ledgers[0];
    const auto visits = (cpu.end - cpu.start) / milliseconds(10).count() + 1;
    EXPECT_GT(cpu.unbilled_ns, visits / 2 * host::section_budget.count());
    EXPECT_LE(cpu.unbilled_ns, visits * (host::section_budget.count() + visit));
}

TEST_P(Worlds, TheSameMachineGivesTheSameTrace) {
    const auto records = [&] {
        World world{policy(), plan(company(), milliseconds(200), 2)};
        finish(world);
        return std::move(world.machine().recorder().rings()[1].records);
    };
    const auto first = records(), second = records();
    ASSERT_EQ(first.size(), second.size());
    ASSERT_GT(first.size(), 100u);
    EXPECT_EQ(std::memcmp(first.data(), second.data(), first.size() * sizeof(trace::Record)), 0);
}

TEST_P(Worlds, RecordsOfAPcpuAreInOrderOfTime) {
    World world{policy(), plan(company(), milliseconds(200), 2)};
    finish(world);
    for (const auto& ring : world.machine().recorder().rings())
        EXPECT_TRUE(std::ranges::is_sorted(ring.records, {}, &trace::Record::time));
}

TEST_P(Worlds, EqualHogsGetEqualShares) {
    World world{policy(), plan({hog("a"), hog("b"), hog("c")}, milliseconds(3'000))};
    finish(world);
    for (std::size_t i = 1; i <= 3; ++i)
        EXPECT_NEAR(share(world, i), 1.0 / 3, 0.02);
}

TEST_P(Worlds, RequestsAreAnsweredInOrder) {
    std::vector<GuestPlan> both = company();
    both.resize(2);
    World world{policy(), plan(std::move(both), milliseconds(300), 2)};
    finish(world);
    std::vector<std::uint64_t> replies;
    for (const auto& ring : world.machine().recorder().rings())
        for (const trace::Record& record : ring.records)
            if (record.event == static_cast<std::uint16_t>(trace::Event::mark) &&
                record.a == code(guest::Mark::reply_received))
                replies.push_back(record.b);
    std::ranges::sort(replies);
    ASSERT_GT(replies.size(), 240u);
    for (std::size_t i = 0; i < replies.size(); ++i)
        EXPECT_EQ(replies[i], i);
}

INSTANTIATE_TEST_SUITE_P(Schedulers, Worlds, testing::ValuesIn(policy_test::scheduler_files()), test_name);

TEST(World, TheTimelineIsCarriedOut) {
    Plan planned = plan({hog("early"), hog("late")}, milliseconds(400));
    planned.guests[1].start_paused = true;
    planned.timeline = {{200'000'000, manifest::Action::unpause, 1, 0},
                        {300'000'000, manifest::Action::destroy, 0, 0}};
    World world{policy_of(policy_test::scheduler("round_robin")), std::move(planned)};
    finish(world);
    const auto& domains = world.machine().domains();
    EXPECT_NEAR(static_cast<double>(domains[1].ledger.guest_ns), 250e6, 12e6);
    EXPECT_NEAR(static_cast<double>(domains[2].ledger.guest_ns), 150e6, 12e6);
    EXPECT_EQ(domains[1].ledger.state, landmark::Account::gone);
}

// The timer's interrupt comes before the block, which then returns at once: the storm keeps its pCPU.
TEST(World, ADeadlineInThePastDoesNotGiveThePcpuUp) {
    World world{
        policy_of(policy_test::scheduler("round_robin")),
        plan({hog("victim"), guest("storm", "timer_storm", {{"mark_timers", "1000"}, {"ahead_us", "0"}})},
             milliseconds(1'000))};
    finish(world);
    const auto& domains = world.machine().domains();
    const landmark::LedgerEntry& storm = domains[2].ledger;
    EXPECT_NEAR(static_cast<double>(domains[1].ledger.guest_ns), 500e6, 15e6);
    EXPECT_NEAR(static_cast<double>(storm.guest_ns + storm.hypervisor_ns), 500e6, 15e6);
    EXPECT_LT(storm.run_ins, 200u); // it gives up at the end of its slices, not at its blocks
}

TEST(World, ADeadlineAheadGivesThePcpuUp) {
    World world{
        policy_of(policy_test::scheduler("round_robin")),
        plan({hog("victim"), guest("storm", "timer_storm", {{"mark_timers", "10"}, {"ahead_us", "500"}})},
             milliseconds(1'000))};
    finish(world);
    const auto& domains = world.machine().domains();
    EXPECT_GT(domains[1].ledger.guest_ns, 900'000'000);
    EXPECT_GT(domains[2].ledger.blocked_ns, 30'000'000);
}

TEST(World, EndsWhenEveryGuestIsOff) {
    Plan planned = plan({guest("short", "compute", {{"for_ms", "20"}})}, milliseconds(10'000));
    planned.end_when_idle = true;
    World world{policy_of(policy_test::scheduler("round_robin")), std::move(planned)};
    const auto page = finish(world);
    EXPECT_EQ(page.exit_status, landmark::Exit::all_off);
    EXPECT_LT(page.now, 100'000'000);
}

TEST(World, AnUnknownModelIsRefused) {
    EXPECT_THROW((World{policy_of(policy_test::scheduler("round_robin")), plan({guest("x", "no_such")}, {})}),
                 std::invalid_argument);
}

TEST(World, WrongOptionsAreRefused) {
    World world{policy_of(policy_test::scheduler("round_robin")),
                plan({guest("x", "replay", {{"steps", "12:"}})}, milliseconds(10))};
    EXPECT_THROW(finish(world), std::invalid_argument);
}

} // namespace
} // namespace bulkhead::sim_test
