// The heap of deadlines against a plain sorted list.
#include "sim/timer_queue.hpp"

#include <gtest/gtest.h>
#include <random>

namespace bulkhead::sim {
namespace {

TEST(TimerQueue, AgreesWithASortedList) {
    std::mt19937_64 random{7};
    std::vector<Deadline> deadlines(40);
    for (std::uint32_t i = 0; i < deadlines.size(); ++i)
        deadlines[i].order = i;
    TimerQueue queue;
    for (int step = 0; step < 20'000; ++step) {
        Deadline& one = deadlines[random() % deadlines.size()];
        switch (random() % 4) {
        case 0:
            queue.cancel(one);
            break;
        case 1:
        case 2:
            queue.arm(one, RealTime{static_cast<std::int64_t>(random() % 1'000)});
            break;
        default:
            const RealTime now{static_cast<std::int64_t>(random() % 1'000)};
            const Deadline* least = nullptr;
            for (const Deadline& each : deadlines)
                if (each.armed() && (least == nullptr || each.at < least->at ||
                                     (each.at == least->at && each.order < least->order)))
                    least = &each;
            EXPECT_EQ(queue.first(), least == nullptr ? RealTime::never() : least->at);
            EXPECT_EQ(queue.take_due(now), least != nullptr && least->at <= now ? least : nullptr);
        }
    }
}

} // namespace
} // namespace bulkhead::sim
