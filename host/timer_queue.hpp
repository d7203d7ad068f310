// The timers of one pCPU, in the order in which they are served: due domains take turns, one timer each, and
// a domain in debt (host/timer_debt.hpp) comes after those that owe nothing. It never owns what it holds.
// Every operation but `first` is called with the world's scheduler lock held.
#pragma once

#include "host/deadline_heap.hpp"
#include "host/timer_debt.hpp"

#include <algorithm>
#include <atomic>

namespace bulkhead::host {

// In one line at a time.
struct Timer : DeadlineNode {
    RealTime deadline = RealTime::never();
    class TimerLine* line = nullptr; // where it is armed
};

// The timers of one domain on one pCPU.
class TimerLine : public DeadlineNode {
  public:
    TimerDebt debt;

  private:
    friend class TimerQueue;
    [[nodiscard]] RealTime deadline() const { return timers_.first_key(); }
    void erase(Timer& timer) {
        timers_.erase(timer);
        timer.line = nullptr;
    }

    DeadlineHeap<Timer> timers_;
    class TimerQueue* queue_ = nullptr; // while it holds a timer
    RealTime served_{};                 // its last turn
    bool delayed_ = false;              // by its debt
};

class TimerQueue {
  public:
    void arm(Timer& timer, TimerLine& line, RealTime deadline) {
        cancel(timer);
        timer.deadline = deadline;
        timer.line = &line;
        const bool first = line.timers_.empty() || deadline < line.deadline();
        if (first && line.queue_ != nullptr)
            take_out(line);
        line.timers_.insert(timer, deadline);
        if (first)
            put_in(line);
    }
    static void cancel(Timer& timer) {
        if (timer.line != nullptr)
            timer.line->queue_->remove(timer);
    }

    // One deadline beside those of the domains. It takes no turns, and the world sets the next one when it is
    // past.
    void set_alarm(RealTime deadline) {
        alarm_ = deadline;
        remember_first();
    }
    [[nodiscard]] RealTime alarm() const { return alarm_; } // RealTime::never(): none

    // When a timer or the alarm is to be served next, RealTime::never() if there is none. Needs no lock.
    [[nodiscard]] RealTime first() const { return first_.load(std::memory_order_relaxed); }

    // Whose turn it is at `now`: its timer, taken off. nullptr if no domain is due, or if the one that was
    // has to wait for its debt: `first` then says when to ask again.
    [[nodiscard]] Timer* take_due(RealTime now) {
        TimerLine* line = next(now);
        if (line == nullptr)
            return nullptr;
        const bool waits = line->deadline() > now || (!forgiving_ && line->debt.next_service() > now);
        take_out(*line);
        if (waits) {
            put_in(*line, line->deadline() <= now);
            return nullptr;
        }
        Timer& timer = line->timers_.first();
        line->erase(timer);
        line->served_ = now;
        if (!line->timers_.empty())
            put_in(*line);
        return &timer;
    }

    // While the pCPU has nothing to run, serving timers costs no domain anything: debts delay none.
    void forgive(bool forgiving) {
        forgiving_ = forgiving;
        remember_first();
    }

  private:
    // Those that owe nothing come first.
    [[nodiscard]] TimerLine* next(RealTime now) {
        if (!ready_.empty() && ready_.first_key() <= now)
            return &ready_.first();
        if (!delayed_.empty() && (forgiving_ || delayed_.first_key() <= now))
            return &delayed_.first();
        return nullptr;
    }
    void put_in(TimerLine& line, bool delayed = false) {
        line.delayed_ = delayed;
        line.queue_ = this;
        if (delayed)
            delayed_.insert(line, line.debt.next_service());
        else
            ready_.insert(line, std::max(line.deadline(), line.served_));
        remember_first();
    }
    void take_out(TimerLine& line) {
        (line.delayed_ ? delayed_ : ready_).erase(line);
        line.queue_ = nullptr;
        remember_first();
    }
    void remove(Timer& timer) {
        TimerLine& line = *timer.line;
        const bool first = &line.timers_.first() == &timer;
        if (first)
            take_out(line);
        line.erase(timer);
        if (first && !line.timers_.empty())
            put_in(line);
    }
    void remember_first() {
        auto first = ready_.empty() ? RealTime::never() : ready_.first_key();
        if (!delayed_.empty())
            first = std::min(first, forgiving_ ? RealTime{} : delayed_.first_key());
        first_.store(std::min(first, alarm_), std::memory_order_relaxed);
    }

    DeadlineHeap<TimerLine> ready_, delayed_;
    bool forgiving_ = false;
    RealTime alarm_ = RealTime::never();
    std::atomic<RealTime> first_{RealTime::never()};
};

} // namespace bulkhead::host
