// rtds and table: what a reservation promises, whoever else is there and whenever the load comes.
#include "tests/policy/machines.hpp"

#include <gtest/gtest.h>

namespace bulkhead::policy_test {
namespace {

constexpr Nanos slack = microseconds(70); // a least slice, a late timer, a switch

MachineOptions with(std::vector<std::int64_t> parameters, std::uint32_t pcpus = 1) {
    MachineOptions options = realistic(pcpus);
    options.parameters = std::move(parameters);
    return options;
}

// The least that (period, budget) gives in any window (Shin and Lee, RTSS 2003).
Nanos supply_bound(Nanos period, Nanos budget, Nanos window) {
    const Nanos blackout = period - budget;
    if (window < blackout)
        return {};
    const std::int64_t periods = (window - blackout).count() / period.count();
    const Nanos rest = window - blackout * 2 - period * periods;
    return budget * periods + std::max(rest, Nanos{});
}

// What the domain got in each step of `step`.
std::vector<Nanos> served(Machine& machine, std::uint16_t domain, Nanos step, int steps) {
    std::vector<Nanos> result;
    Nanos before = machine.ran(domain);
    for (int i = 0; i < steps; ++i) {
        machine.run_for(step);
        const Nanos now = machine.ran(domain);
        result.push_back(now - before);
        before = now;
    }
    return result;
}

// The least of any window of `length` steps.
Nanos least_in_window(const std::vector<Nanos>& steps, std::size_t length) {
    Nanos least = milliseconds(1'000'000);
    for (std::size_t i = 0; i + length <= steps.size(); ++i) {
        Nanos sum{};
        for (std::size_t j = i; j < i + length; ++j)
            sum += steps[j];
        least = std::min(least, sum);
    }
    return least;
}

TEST(Rtds, SupplyIsNeverBelowItsBound) {
    Machine machine{scheduler("rtds"), realistic()};
    const auto first = machine.add_domain(256, 0, hogs(1), ~0ULL, {3'000, 10'000});
    machine.run_for(microseconds(1'300)); // periods that do not begin together
    machine.add_domain(256, 0, hogs(1), ~0ULL, {2'000, 5'000});
    machine.run_for(microseconds(700));
    machine.add_domain(256, 0, hogs(1), ~0ULL, {7'000, 25'000});
    machine.add_domain(256, 0, one<YieldStorm>(microseconds(30)));
    machine.add_domain(256, 0, hogs(8));
    const Nanos step = microseconds(500);
    const auto steps = served(machine, first, step, 4'000);
    for (const std::size_t length : {20U, 30U, 40U, 80U, 200U, 400U}) {
        const Nanos window = step * static_cast<std::int64_t>(length);
        const std::int64_t switches = 3 * (window.count() / 5'000'000 + 2); // each boundary costs a little
        const Nanos bound = supply_bound(milliseconds(10), milliseconds(3), window);
        EXPECT_GE(least_in_window(steps, length) + slack + microseconds(6) * switches, bound)
            << window.count();
    }
}

TEST(Rtds, JobsMeetTheirDeadlinesAtFullUse) {
    Machine machine{scheduler("rtds"), realistic()};
    // Budget and period twice as often as the task's: in any 20 ms there are at least 4 ms whenever they
    // begin.
    const auto task = machine.add_domain(256, 0, one<Periodic>(milliseconds(20), microseconds(3'800)), ~0ULL,
                                         {2'500, 10'000});
    machine.add_domain(256, 0, hogs(1), ~0ULL, {7'000, 10'000});
    machine.add_domain(256, 0, hogs(2));
    machine.run_for(milliseconds(4'000));
    EXPECT_LE(machine.longest_wait({task, 0}), milliseconds(15));
    EXPECT_GE(machine.ran(task), microseconds(3'800) * 198);
}

TEST(Rtds, WithoutExtraABudgetIsAlsoALimit) {
    Machine machine{scheduler("rtds"), with({0, 5'000})};
    const auto limited = machine.add_domain(256, 0, hogs(1), ~0ULL, {2'000, 10'000});
    machine.run_for(milliseconds(1'000));
    EXPECT_NEAR(machine.share(limited), 0.2, 0.01);
}

// A server that is charged from outside has so much less of its budget, whether it runs, waits or sleeps.
TEST(Rtds, AChargeIsPaidFromTheBudget) {
    Machine machine{scheduler("rtds"), with({0, 5'000})};
    const auto limited = machine.add_domain(256, 0, hogs(1), ~0ULL, {4'000, 10'000});
    const auto sleeper =
        machine.add_domain(256, 0, one<Periodic>(milliseconds(10), milliseconds(3)), ~0ULL, {4'000, 10'000});
    machine.run_for(milliseconds(1));
    const auto before = machine.ran(limited), slept = machine.ran(sleeper);
    for (int i = 0; i < 100; ++i) {
        for (const auto charged : {limited, sleeper}) {
            machine.charge({charged, 0}, milliseconds(1));
            machine.run_for(microseconds(3'300)); // at another place of the period each time
            machine.charge({charged, 0}, milliseconds(1));
            machine.run_for(microseconds(1'700));
        }
    }
    for (const Nanos ran : {machine.ran(limited) - before, machine.ran(sleeper) - slept}) { // of 1 s
        EXPECT_GE(ran, milliseconds(190));
        EXPECT_LE(ran, milliseconds(210));
    }
}

// Without a reservation a charge shortens the turn.
TEST(Rtds, AChargeIsPaidFromATurn) {
    Machine machine{scheduler("rtds"), realistic()};
    const auto charged = machine.add_domain(256, 0, hogs(1)), other = machine.add_domain(256, 0, hogs(1));
    for (int i = 0; i < 400; ++i) {
        machine.run_for(milliseconds(5));
        machine.charge({charged, 0}, milliseconds(1));
    }
    EXPECT_LE(machine.share(charged), 0.48);
    EXPECT_GE(machine.share(other), 0.52);
}

TEST(Rtds, WithExtraNothingIsLeftIdle) {
    Machine machine{scheduler("rtds"), realistic()};
    const auto one_server = machine.add_domain(256, 0, hogs(1), ~0ULL, {2'000, 10'000});
    const auto other = machine.add_domain(256, 0, hogs(1));
    machine.run_for(milliseconds(1'000));
    EXPECT_LE(machine.idle(), microseconds(10));
    EXPECT_GE(machine.share(one_server), 0.45); // its budget, and its turns
    EXPECT_GE(machine.share(other), 0.4);
}

TEST(Rtds, WhatIsLeftOverIsSharedInTurnsThatAnInterruptionDoesNotEnd) {
    Machine machine{scheduler("rtds"), realistic()};
    machine.add_domain(256, 0, one<Periodic>(milliseconds(4), milliseconds(1)), ~0ULL, {1'500, 4'000});
    const auto first = machine.add_domain(256, 0, hogs(1));
    const auto second = machine.add_domain(256, 0, hogs(1));
    machine.run_for(milliseconds(2'000));
    EXPECT_NEAR(machine.share(first), machine.share(second), 0.02);
}

// A reservation of the whole pCPU does not starve the others: they keep a least slice per second.
TEST(Rtds, AReservationOfTheWholePcpuLeavesOthersALeastSlice) {
    Machine machine{scheduler("rtds"), realistic()};
    const auto all = machine.add_domain(256, 0, hogs(1), ~0ULL, {10'000, 10'000});
    const auto first = machine.add_domain(256, 0, hogs(1)), second = machine.add_domain(256, 0, hogs(2));
    machine.run_for(milliseconds(6'000));
    EXPECT_GE(machine.share(all), 0.999);
    for (const VcpuKey& key : {VcpuKey{first, 0}, VcpuKey{second, 0}, VcpuKey{second, 1}})
        EXPECT_LE(machine.longest_wait(key), milliseconds(2'100)) << name_of(key);
}

TEST(Rtds, EveryServerOfADomainHasItsOwnBudgetOnTwoPcpus) {
    Machine machine{scheduler("rtds"), realistic(2)};
    const auto pair = machine.add_domain(256, 0, hogs(2), ~0ULL, {6'000, 10'000});
    machine.add_domain(256, 0, hogs(6));
    machine.run_for(milliseconds(2'000));
    for (std::uint16_t i = 0; i < 2; ++i)
        EXPECT_GE(machine.of({pair, i}).ran, milliseconds(1'150));
}

TEST(Table, AnOwnerGetsItsSlotInEveryPeriod) {
    Machine machine{scheduler("table"), realistic()};
    const auto owner = machine.add_domain(256, 0, hogs(1), ~0ULL, {1'000, 2'000, 10'000, 0});
    machine.add_domain(256, 0, hogs(3));
    machine.add_domain(256, 0, one<YieldStorm>(microseconds(30)));
    machine.run_for(milliseconds(10));
    for (const Nanos part : served(machine, owner, milliseconds(10), 200))
        EXPECT_GE(part, milliseconds(2) - slack);
}

TEST(Table, WithoutFillASlotIsAlsoALimit) {
    Machine machine{scheduler("table"), with({0, 5'000})};
    const auto first = machine.add_domain(256, 0, hogs(1), ~0ULL, {0, 3'000, 10'000, 0});
    const auto second = machine.add_domain(256, 0, hogs(2), ~0ULL, {3'000, 5'000, 10'000, 0});
    machine.run_for(milliseconds(1'000));
    EXPECT_NEAR(machine.share(first), 0.3, 0.01);
    EXPECT_NEAR(machine.share(second), 0.5, 0.01);
}

TEST(Table, NobodyWaitsLongerThanItsPeriodLessItsSlot) {
    Machine machine{scheduler("table"), realistic()};
    std::vector<std::uint16_t> owners;
    for (std::int64_t i = 0; i < 10; ++i)
        owners.push_back(machine.add_domain(256, 0,
                                            one<Periodic>(microseconds(9'100 + 130 * i), microseconds(100)),
                                            ~0ULL, {i * 1'000, 1'000, 10'000, 0}));
    machine.add_domain(256, 0, hogs(4));
    machine.run_for(milliseconds(5'000));
    for (const std::uint16_t owner : owners)
        EXPECT_LE(machine.longest_wait({owner, 0}), milliseconds(9) + slack) << owner;
}

TEST(Table, AnOwnerTakesItsTimeBackAtOnce) {
    Machine machine{scheduler("table"), realistic()};
    const auto owner =
        machine.add_domain(256, 0, one<Periodic>(milliseconds(1), microseconds(50), microseconds(137)), ~0ULL,
                           {0, 10'000, 10'000, 0});
    machine.add_domain(256, 0, hogs(4));
    machine.run_for(milliseconds(2'000));
    EXPECT_LE(percentile(machine.of({owner, 0}).latencies, 1.0), microseconds(20));
}

TEST(Table, SlotsLieOnTheirPcpu) {
    Machine machine{scheduler("table"), with({0, 5'000}, 2)};
    const auto left = machine.add_domain(256, 0, hogs(1), ~0ULL, {0, 10'000, 10'000, 0});
    const auto right = machine.add_domain(256, 0, hogs(1), ~0ULL, {0, 5'000, 10'000, 1});
    machine.run_for(milliseconds(1'000));
    EXPECT_NEAR(machine.share(left), 0.5, 0.01);
    EXPECT_NEAR(machine.share(right), 0.25, 0.01);
}

TEST(Table, ASlotOfTheWholePeriodLeavesOthersALeastSlice) {
    for (const std::int64_t fill : {0, 1}) {
        Machine machine{scheduler("table"), with({fill, 5'000})};
        const auto owner = machine.add_domain(256, 0, hogs(1), ~0ULL, {0, 10'000, 10'000, 0});
        const auto other = machine.add_domain(256, 0, hogs(1));
        machine.run_for(milliseconds(6'000));
        EXPECT_GE(machine.share(owner), 0.999);
        EXPECT_LE(machine.longest_wait({other, 0}), milliseconds(2'100));
    }
}

TEST(Pinned, VcpusSpreadAndStay) {
    Machine machine{scheduler("pinned"), realistic(4)};
    const auto four = machine.add_domain(256, 0, hogs(4));
    machine.run_for(milliseconds(1'000));
    for (std::uint16_t i = 0; i < 4; ++i)
        EXPECT_GE(machine.of({four, i}).ran, milliseconds(980)) << i;
    machine.add_domain(256, 0, hogs(1)); // shares one pCPU, and disturbs nobody elsewhere
    const Nanos before = machine.ran(four);
    machine.run_for(milliseconds(1'000));
    EXPECT_NEAR(static_cast<double>((machine.ran(four) - before).count()), 3.5e9, 0.05e9);
}

TEST(Pinned, FollowsItsAffinity) {
    Machine machine{scheduler("pinned"), realistic(2)};
    const auto pair = machine.add_domain(256, 0, hogs(2));
    machine.run_for(milliseconds(10));
    for (std::uint16_t i = 0; i < 2; ++i)
        machine.set_affinity({pair, i}, 2); // both on the second one
    const Nanos before = machine.ran(pair);
    machine.run_for(milliseconds(1'000));
    EXPECT_NEAR(static_cast<double>((machine.ran(pair) - before).count()), 1e9, 0.02e9);
}

} // namespace
} // namespace bulkhead::policy_test
