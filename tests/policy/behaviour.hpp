// What a simulated vCPU does with the time it gets: hogs, periodic tasks, tick dodgers, random sleepers. A
// behaviour sees only what a guest sees (the clock, and how long it ran) and must never look at the
// scheduler.
#pragma once

#include "abi/types.hpp"

#include <algorithm>
#include <memory>
#include <random>

namespace bulkhead::policy_test {

// What a vCPU will do if left alone from now on: run for `run`, then yield, or block until `wake`.
struct Plan {
    enum class End { blocks, yields };
    Nanos run;
    End end;
    RealTime wake; // for End::blocks; RealTime::never() sleeps for good
};

class Behaviour {
  public:
    virtual ~Behaviour() = default;
    // Asked whenever the vCPU starts on a pCPU; `used` is what it ran since it last woke or yielded.
    virtual Plan plan(RealTime now, Nanos used) = 0;
};

class Hog : public Behaviour {
  public:
    Plan plan(RealTime, Nanos) override { return {milliseconds(3'600'000), Plan::End::yields, {}}; }
};

// Wakes at multiples of `period` plus `phase` and works for `work`, as a responder does.
class Periodic : public Behaviour {
  public:
    Periodic(Nanos period, Nanos work, Nanos phase = {}) : period_{period}, work_{work}, phase_{phase} {}
    Plan plan(RealTime now, Nanos used) override {
        const Nanos rest = std::max(work_ - used, Nanos{1});
        return {rest, Plan::End::blocks, next_release(now + rest)};
    }

  private:
    [[nodiscard]] RealTime next_release(RealTime after) const {
        const std::int64_t passed = (after.since_start() - phase_).count() / period_.count();
        return RealTime{} + phase_ + period_ * (passed + 1);
    }
    Nanos period_, work_, phase_;
};

// Runs until `before` the next multiple of `tick`, then sleeps past it: whoever bills at ticks never sees it.
class TickDodger : public Behaviour {
  public:
    TickDodger(Nanos tick, Nanos before, Nanos after) : tick_{tick}, before_{before}, after_{after} {}
    Plan plan(RealTime now, Nanos) override {
        const std::int64_t ticks = (now.since_start() + before_).count() / tick_.count();
        const RealTime target = RealTime{} + tick_ * (ticks + 1);
        return {target - before_ - now, Plan::End::blocks, target + after_};
    }

  private:
    Nanos tick_, before_, after_;
};

// Gives the pCPU up again and again while it stays runnable.
class YieldStorm : public Behaviour {
  public:
    explicit YieldStorm(Nanos between) : between_{between} {}
    Plan plan(RealTime, Nanos) override { return {between_, Plan::End::yields, {}}; }

  private:
    Nanos between_;
};

// Works and sleeps for random times, and sometimes yields.
class RandomSleeper : public Behaviour {
  public:
    RandomSleeper(std::uint64_t seed, Nanos most_work, Nanos most_sleep)
        : random_{seed}, most_work_{most_work}, most_sleep_{most_sleep} {}
    Plan plan(RealTime now, Nanos) override {
        const Nanos run{draw(most_work_)};
        if (draw(Nanos{8}) == 1)
            return {run, Plan::End::yields, {}};
        return {run, Plan::End::blocks, now + run + Nanos{draw(most_sleep_)}};
    }

  private:
    std::int64_t draw(Nanos most) {
        return std::uniform_int_distribution<std::int64_t>{1, most.count()}(random_);
    }
    std::mt19937_64 random_;
    Nanos most_work_, most_sleep_;
};

} // namespace bulkhead::policy_test
