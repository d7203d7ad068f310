// Timers of one pCPU, ordered by real deadline. They fire from the timer interrupt, never earlier than their
// deadline.
#pragma once

#include "abi/types.hpp"

#include <boost/intrusive/set.hpp>

namespace bulkhead::hv {

struct Timer : boost::intrusive::set_base_hook<boost::intrusive::optimize_size<true>> {
    RealTime deadline{};
    void (*fire)(Timer& timer,
                 RealTime now) = nullptr; // called after the timer was taken off the queue; may arm it again
    void* owner = nullptr;                // the vCPU or pCPU that it belongs to
    bool armed = false;
    friend bool operator<(const Timer& a, const Timer& b) { return a.deadline < b.deadline; }
};

class TimerQueue {
  public:
    void arm(Timer& timer, RealTime deadline) {
        cancel(timer);
        timer.deadline = deadline;
        timer.armed = true;
        timers_.insert(timer);
    }
    void cancel(Timer& timer) {
        if (timer.armed) {
            timers_.erase(timers_.iterator_to(timer));
            timer.armed = false;
        }
    }
    // Deadline of the earliest timer, RealTime::never() if there is none.
    [[nodiscard]] RealTime first() const {
        return timers_.empty() ? RealTime::never() : timers_.begin()->deadline;
    }
    // Takes the earliest timer if it is due at `now`, else nullptr.
    [[nodiscard]] Timer* take_due(RealTime now) {
        if (timers_.empty() || timers_.begin()->deadline > now)
            return nullptr;
        Timer& timer = *timers_.begin();
        cancel(timer);
        return &timer;
    }

  private:
    boost::intrusive::multiset<Timer, boost::intrusive::constant_time_size<false>> timers_;
};

} // namespace bulkhead::hv
