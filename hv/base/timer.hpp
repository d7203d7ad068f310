// A timer of the hypervisor: what happens when it is served. Timers fire from the timer interrupt, never
// earlier than their deadline. A pCPU arms timers in its own queue only, and may cancel any.
#pragma once

#include "host/timer_queue.hpp"

namespace bulkhead::hv {

struct Timer : host::Timer {
    // Called after the timer was taken off the queue; may arm it again.
    void (*fire)(Timer& timer, RealTime now) = nullptr;
    void* owner = nullptr; // the vCPU that it belongs to, if any
};

} // namespace bulkhead::hv
