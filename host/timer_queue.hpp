// The timers of one pCPU, in the order in which they are served: due domains take turns, one timer each, and
// a domain in debt (host/timer_debt.hpp) comes after those that owe nothing. It never owns what it holds.
// Every operation but `first` is called with the world's scheduler lock held.
#pragma once

#include "host/timer_debt.hpp"

#include <atomic>
#include <boost/intrusive/set.hpp>

namespace bulkhead::host {

// A world may end with timers armed.
using TimerHook = boost::intrusive::set_base_hook<boost::intrusive::optimize_size<true>,
                                                  boost::intrusive::link_mode<boost::intrusive::normal_link>>;

// In one line at a time.
struct Timer : TimerHook {
    RealTime deadline = RealTime::never();
    class TimerLine* line = nullptr; // where it is armed
    friend bool operator<(const Timer& a, const Timer& b) { return a.deadline < b.deadline; }
};

// The timers of one domain on one pCPU.
class TimerLine : public TimerHook {
  public:
    TimerDebt debt;

    friend bool operator<(const TimerLine& a, const TimerLine& b) { return a.key_ < b.key_; }

  private:
    friend class TimerQueue;
    [[nodiscard]] RealTime deadline() const { return timers_.begin()->deadline; }

    boost::intrusive::multiset<Timer, boost::intrusive::constant_time_size<false>> timers_;
    class TimerQueue* queue_ = nullptr; // while it holds a timer
    RealTime key_{};                    // when to look at it
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
        line.timers_.insert(timer);
        if (first)
            put_in(line);
    }
    static void cancel(Timer& timer) {
        if (timer.line != nullptr)
            timer.line->queue_->remove(timer);
    }

    // When a timer is to be served next, RealTime::never() if there is none. Needs no lock.
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
        Timer& timer = *line->timers_.begin();
        line->timers_.erase(line->timers_.begin());
        timer.line = nullptr;
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
    using Lines = boost::intrusive::multiset<TimerLine, boost::intrusive::constant_time_size<false>>;

    // Those that owe nothing come first.
    [[nodiscard]] TimerLine* next(RealTime now) {
        if (!ready_.empty() && ready_.begin()->key_ <= now)
            return &*ready_.begin();
        if (!delayed_.empty() && (forgiving_ || delayed_.begin()->key_ <= now))
            return &*delayed_.begin();
        return nullptr;
    }
    void put_in(TimerLine& line, bool delayed = false) {
        line.delayed_ = delayed;
        line.key_ = delayed ? line.debt.next_service() : std::max(line.deadline(), line.served_);
        line.queue_ = this;
        (delayed ? delayed_ : ready_).insert(line);
        remember_first();
    }
    void take_out(TimerLine& line) {
        Lines& lines = line.delayed_ ? delayed_ : ready_;
        lines.erase(lines.iterator_to(line));
        line.queue_ = nullptr;
        remember_first();
    }
    void remove(Timer& timer) {
        TimerLine& line = *timer.line;
        const bool first = &*line.timers_.begin() == &timer;
        if (first)
            take_out(line);
        line.timers_.erase(line.timers_.iterator_to(timer));
        timer.line = nullptr;
        if (first && !line.timers_.empty())
            put_in(line);
    }
    void remember_first() {
        auto first = ready_.empty() ? RealTime::never() : ready_.begin()->key_;
        if (!delayed_.empty())
            first = std::min(first, forgiving_ ? RealTime{} : delayed_.begin()->key_);
        first_.store(first, std::memory_order_relaxed);
    }

    Lines ready_, delayed_;
    bool forgiving_ = false;
    std::atomic<RealTime> first_{RealTime::never()};
};

} // namespace bulkhead::host
