// Timers of one pCPU, ordered by real deadline. They fire from the timer interrupt, never earlier than their
// deadline.
#pragma once

#include "abi/types.hpp"

#include <atomic>
#include <boost/intrusive/set.hpp>

namespace bulkhead::hv {

struct Timer : boost::intrusive::set_base_hook<boost::intrusive::optimize_size<true>> {
    RealTime deadline{};
    void (*fire)(Timer& timer,
                 RealTime now) = nullptr; // called after the timer was taken off the queue; may arm it again
    void* owner = nullptr;                // the vCPU that it belongs to, if any
    class TimerQueue* queue = nullptr;    // where it is armed
    friend bool operator<(const Timer& a, const Timer& b) { return a.deadline < b.deadline; }
};

// Changed with the run lock held; a pCPU arms timers in its own queue only, and may cancel any.
class TimerQueue {
  public:
    void arm(Timer& timer, RealTime deadline) {
        cancel(timer);
        timer.deadline = deadline;
        timer.queue = this;
        timers_.insert(timer);
        remember_first();
    }
    static void cancel(Timer& timer) {
        if (timer.queue != nullptr)
            timer.queue->remove(timer);
    }
    // Deadline of the earliest timer, RealTime::never() if there is none. Needs no lock.
    [[nodiscard]] RealTime first() const { return first_.load(std::memory_order_relaxed); }
    // Takes the earliest timer if it is due at `now`, else nullptr.
    [[nodiscard]] Timer* take_due(RealTime now) {
        if (timers_.empty() || timers_.begin()->deadline > now)
            return nullptr;
        Timer& timer = *timers_.begin();
        remove(timer);
        return &timer;
    }

  private:
    void remove(Timer& timer) {
        timers_.erase(timers_.iterator_to(timer));
        timer.queue = nullptr;
        remember_first();
    }
    void remember_first() {
        first_.store(timers_.empty() ? RealTime::never() : timers_.begin()->deadline,
                     std::memory_order_relaxed);
    }

    std::atomic<RealTime> first_{RealTime::never()};
    boost::intrusive::multiset<Timer, boost::intrusive::constant_time_size<false>> timers_;
};

} // namespace bulkhead::hv
