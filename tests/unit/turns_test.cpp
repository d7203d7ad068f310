// The keeper's turn may end between any two of its steps. Whoever waits for turns then goes on only if the
// timer that ends them counts.
#include "hv/arch/apic.hpp"
#include "hv/arch/pcpu.hpp"
#include "hv/arch/rest.hpp"
#include "hv/arch/turns.hpp"

#include <atomic>
#include <chrono>
#include <functional>
#include <gtest/gtest.h>
#include <optional>
#include <thread>

namespace bulkhead::hv {

namespace {

std::atomic<bool> somebody_works{false};
bool timer_counts = false;
bool went_on_early = false; // a pCPU that had waited for turns
std::function<void()> before_it_counts, before_it_stops;

// A pCPU that waits for turns, in a thread of this computer.
class Waiting {
  public:
    ~Waiting() { thread_.join(); }
    // After time enough for a loop that has nothing to wait for.
    [[nodiscard]] bool is_over() const {
        std::this_thread::sleep_for(std::chrono::milliseconds{20});
        return over_;
    }

  private:
    std::atomic<bool> over_{false};
    std::thread thread_{[this] {
        await_turns();
        over_ = true;
    }};
};

} // namespace

std::uint32_t pcpu_count() { return 2; }
bool does_anybody_work() { return somebody_works; }
void send_interrupt(std::uint32_t, std::uint8_t) {}
RealTime start_silent_timer(Nanos) {
    if (before_it_counts)
        before_it_counts();
    timer_counts = true;
    return {};
}
void stop_silent_timer() {
    if (before_it_stops)
        before_it_stops();
    timer_counts = false;
}

namespace {

class Turns : public testing::Test {
  protected:
    Turns() {
        before_it_counts = before_it_stops = {};
        somebody_works = went_on_early = false;
        start_keeping();
        pause_turns();
        keep_turns();
    }
};

TEST_F(Turns, NobodyGoesOnBeforeTheTimerCounts) {
    ASSERT_FALSE(timer_counts);
    resume_turns();
    static std::optional<Waiting> pcpu;
    pcpu.emplace();
    before_it_counts = [] { went_on_early = pcpu->is_over(); };
    keep_turns();
    pcpu.reset();
    EXPECT_FALSE(went_on_early) << "it went on while nothing would have ended the next turn";
    EXPECT_TRUE(timer_counts);
}

TEST_F(Turns, NobodyGoesOnWhileTheTimerStops) {
    resume_turns();
    keep_turns();
    ASSERT_TRUE(timer_counts);
    pause_turns();
    static std::optional<Waiting> pcpu;
    before_it_stops = [] { // another pCPU begins to work at the last moment
        resume_turns();
        went_on_early = pcpu.emplace().is_over();
    };
    keep_turns();
    EXPECT_FALSE(went_on_early);
    keep_turns(); // the keeper was asked again meanwhile
    EXPECT_TRUE(timer_counts);
    pcpu.reset();
}

TEST_F(Turns, APauseThatComesTooLateStopsNothing) {
    resume_turns();
    keep_turns();
    pause_turns();
    somebody_works = true;
    keep_turns();
    EXPECT_TRUE(timer_counts);
}

} // namespace

} // namespace bulkhead::hv
