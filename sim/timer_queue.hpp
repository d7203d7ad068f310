// A deadline of the simulated machine, in the queue that the hypervisor uses as well.
#pragma once

#include "host/timer_queue.hpp"

#include <cstdint>

namespace bulkhead::sim {

// Base of what can be in a queue, in one at a time.
struct Deadline : host::Timer {
    std::uint32_t order = 0; // whose it is: a vCPU's slot, or first_own_order and up
    [[nodiscard]] bool armed() const { return line != nullptr; }
};

} // namespace bulkhead::sim
