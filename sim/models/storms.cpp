// The attacks that call the hypervisor as often as they can (workloads/attacks).
#include "sim/model.hpp"

#include <algorithm>
#include <array>

namespace bulkhead::sim {

using guest::Mark;

namespace {

// Where in the period the pCPU was taken away, in hundredths of it.
class Jumps {
  public:
    explicit Jumps(Nanos period) : period_{period} {}
    void saw(RealTime last, RealTime here) {
        if (here - last <= microseconds(100))
            return;
        const std::int64_t offset = last.since_start().count() % period_.count();
        const std::int64_t nearest = (offset * parts + period_.count() / 2) / period_.count();
        ++taken_[static_cast<std::size_t>(nearest % parts)]; // the last look may be just before the tick
    }
    // The phase at which that happened most often; 0 if it never did.
    [[nodiscard]] Nanos usual() const {
        const auto best = std::ranges::max_element(taken_) - taken_.begin();
        return period_ * static_cast<std::int64_t>(best) / parts;
    }

  private:
    static constexpr std::int64_t parts = 100;
    Nanos period_;
    std::array<std::uint32_t, parts> taken_{};
};

RealTime next_multiple(RealTime now, Nanos period) {
    return RealTime{(now.since_start().count() / period.count() + 1) * period.count()};
}

} // namespace

Program yield_storm(Guest& me, ModelSetup setup) {
    const RealTime ends = setup.ends(me.now());
    const std::int64_t step = setup.number("mark_yields");
    std::uint64_t done = 0;
    while (me.now() < ends) {
        for (std::int64_t i = 0; i < step; ++i)
            co_await me.yield();
        co_await me.mark(code(Mark::operations), done += static_cast<std::uint64_t>(step));
    }
    co_await me.mark(code(Mark::finished), done);
}

Program timer_storm(Guest& me, ModelSetup setup) {
    const RealTime ends = setup.ends(me.now());
    const std::int64_t step = setup.number("mark_timers");
    const std::int64_t ahead_us = setup.number("ahead_us");
    const Nanos ahead = ahead_us == 0 ? Nanos{-1} : microseconds(ahead_us);
    std::uint64_t done = 0;
    while (me.now() < ends) {
        for (std::int64_t i = 0; i < step; ++i)
            co_await me.block(me.now() + ahead);
        co_await me.mark(code(Mark::operations), done += static_cast<std::uint64_t>(step));
    }
    co_await me.mark(code(Mark::finished), done);
}

// A periodic timer of a vCPU that does not run costs nothing.
Program tick_flood(Guest& me, ModelSetup setup) {
    const RealTime ends = setup.ends(me.now());
    const auto timers = static_cast<std::uint64_t>(setup.vcpus() - 1);
    co_await me.mark(code(Mark::operations), timers);
    while (me.now() < ends)
        co_await me.block(ends);
    co_await me.mark(code(Mark::finished), timers);
}

Program timeout_flood(Guest& me, ModelSetup setup) {
    const RealTime ends = setup.ends(me.now());
    const Nanos period = setup.microseconds("period_us");
    for (std::size_t i = 1; i < setup.vcpus(); ++i)
        co_await me.start_vcpu(i);
    std::uint64_t done = 0;
    while (me.now() < ends) {
        co_await me.block(next_multiple(me.now(), period));
        co_await me.mark(code(Mark::operations), ++done);
    }
    co_await me.mark(code(Mark::finished), done);
}

// Every further vCPU of timeout_flood.
Program sleep_to_instants(Guest& me, ModelSetup setup) {
    const Nanos period = setup.microseconds("period_us");
    for (;;)
        co_await me.block(next_multiple(me.now(), period));
}

Program event_storm(Guest& me, ModelSetup setup) {
    const RealTime ends = setup.ends(me.now());
    const std::int64_t step = setup.number("mark_events");
    std::uint64_t done = 0;
    while (me.now() < ends) {
        for (std::int64_t i = 0; i < step; ++i)
            co_await me.notify(me);
        co_await me.mark(code(Mark::operations), done += static_cast<std::uint64_t>(step));
    }
    co_await me.mark(code(Mark::finished), done);
}

// Runs until just before each tick and sleeps over it.
Program tick_dodger(Guest& me, ModelSetup setup) {
    const RealTime ends = setup.ends(me.now());
    const Nanos period = setup.microseconds("tick_us");
    Nanos phase = setup.microseconds("phase_us");
    const Nanos guard = setup.microseconds("guard_us"), after = setup.microseconds("after_us");
    const Nanos operation = setup.operations(1);
    if (const std::int64_t length = setup.number_or("learn_ms", 0); length != 0) {
        Jumps jumps{period};
        const RealTime learnt = me.now() + milliseconds(length);
        for (RealTime last = me.now(), here = last; here < learnt; last = here) {
            co_await me.run(operation);
            jumps.saw(last, here = me.now());
        }
        phase = jumps.usual();
    }
    std::uint64_t done = 0;
    while (me.now() < ends) {
        const std::int64_t ticks = (me.now() + guard - phase).since_start().count() / period.count() + 1;
        const RealTime tick = RealTime{ticks * period.count()} + phase;
        const Nanos before = me.ran();
        co_await me.run_until(tick - guard);
        done += static_cast<std::uint64_t>((me.ran() - before).count() / operation.count());
        co_await me.mark(code(Mark::operations), done);
        const RealTime asleep = me.now();
        for (me.take_event(); me.now() < tick + after; me.take_event())
            co_await me.wait(tick + after);
        co_await me.mark(code(Mark::slept), static_cast<std::uint64_t>((me.now() - asleep).count()));
    }
    co_await me.mark(code(Mark::finished), done);
}

} // namespace bulkhead::sim
