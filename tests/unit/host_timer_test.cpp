// In which order timers are served: domains in turn, those in debt later, and none of that while the pCPU has
// nothing to run.
#include "host/timer_queue.hpp"

#include <gtest/gtest.h>
#include <random>
#include <vector>

namespace bulkhead::host {
namespace {

constexpr RealTime at(std::int64_t ns) { return RealTime{ns}; }

TEST(TimerQueue, OneDomainIsServedInOrderOfDeadlines) {
    std::mt19937_64 random{7};
    std::vector<Timer> timers(40);
    TimerLine line;
    TimerQueue queue;
    for (int step = 0; step < 20'000; ++step) {
        Timer& one = timers[random() % timers.size()];
        switch (random() % 4) {
        case 0:
            TimerQueue::cancel(one);
            break;
        case 1:
        case 2:
            queue.arm(one, line, at(step + static_cast<std::int64_t>(random() % 1'000)));
            break;
        default:
            const Timer* least = nullptr;
            for (const Timer& each : timers)
                if (each.line != nullptr && (least == nullptr || each.deadline < least->deadline))
                    least = &each;
            const bool due = least != nullptr && least->deadline <= at(step);
            const Timer* taken = queue.take_due(at(step));
            ASSERT_EQ(taken != nullptr, due);
            if (due) {
                EXPECT_EQ(taken->deadline, least->deadline);
            }
        }
    }
    for (Timer& each : timers)
        TimerQueue::cancel(each);
    EXPECT_EQ(queue.first(), RealTime::never());
}

TEST(TimerQueue, ADomainWithManyTimersWaitsItsTurn) {
    std::vector<Timer> flood(32);
    Timer victim;
    TimerLine attacker, other;
    TimerQueue queue;
    for (Timer& each : flood)
        queue.arm(each, attacker, at(10));
    queue.arm(victim, other, at(11));
    EXPECT_EQ(queue.first(), at(10));
    EXPECT_NE(queue.take_due(at(100)), &victim);
    EXPECT_EQ(queue.take_due(at(101)), &victim);
    for (std::int64_t now = 102; queue.take_due(at(now)) != nullptr; ++now)
        ;
    EXPECT_EQ(queue.first(), RealTime::never());
}

TEST(TimerQueue, ADomainInDebtIsServedLaterButIsServed) {
    Timer timer;
    TimerLine line;
    TimerQueue queue;
    line.debt.add(milliseconds(1), {.weight = 1, .cap = 0, .weights = 20}, at(0));
    queue.arm(timer, line, at(5));
    EXPECT_EQ(queue.take_due(at(5)), nullptr);
    const RealTime later = queue.first();
    EXPECT_EQ(later, at(0) + milliseconds(40) + -TimerDebt::patience);
    EXPECT_EQ(queue.take_due(later + Nanos{-1}), nullptr);
    EXPECT_EQ(queue.take_due(later), &timer);
}

TEST(TimerQueue, AnIdlePcpuForgivesDebts) {
    Timer timer;
    TimerLine line;
    TimerQueue queue;
    line.debt.add(milliseconds(1), {.weight = 1, .cap = 0, .weights = 20}, at(0));
    queue.arm(timer, line, at(5));
    EXPECT_EQ(queue.take_due(at(6)), nullptr);
    queue.forgive(true);
    EXPECT_LE(queue.first(), at(6));
    EXPECT_EQ(queue.take_due(at(6)), &timer);
}

TEST(TimerQueue, ATimerThatIsMovedWhileItsDomainWaitsKeepsItsNewDeadline) {
    Timer timer;
    TimerLine line;
    TimerQueue queue;
    line.debt.add(milliseconds(1), {.weight = 1, .cap = 0, .weights = 20}, at(0));
    queue.arm(timer, line, at(5));
    EXPECT_EQ(queue.take_due(at(6)), nullptr);
    const RealTime far = at(0) + milliseconds(500);
    queue.arm(timer, line, far);
    EXPECT_EQ(queue.first(), far);
    EXPECT_EQ(queue.take_due(at(0) + milliseconds(100)), nullptr);
    EXPECT_EQ(queue.take_due(far), &timer);
}

TEST(TimerDebt, IsPaidByHalfOfTheShareAndByTheCapIfThatIsLess) {
    const auto lasts = [](const Share& share) {
        TimerDebt debt;
        debt.add(microseconds(10), share, at(0));
        return debt.next_service() + TimerDebt::patience - at(0);
    };
    EXPECT_EQ(lasts({.weight = 256, .cap = 0, .weights = 256}), microseconds(20));
    EXPECT_EQ(lasts({.weight = 256, .cap = 0, .weights = 2560}), microseconds(200));
    EXPECT_EQ(lasts({.weight = 256, .cap = 2, .weights = 2560}), microseconds(1'000));
    EXPECT_EQ(lasts({.weight = 1, .cap = 0, .weights = 1'000'000}), microseconds(40'960));
}

} // namespace
} // namespace bulkhead::host
