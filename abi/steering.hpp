// The steering page: how the world outside tells domain 0 what to do next, while the machine stands still at
// a stop of the timeline. The hypervisor announces the stop and writes to a doorbell port; the device behind
// it takes the byte only when the world outside has written its orders, so no time passes and no instruction
// is executed meanwhile (docs/decisions/0012-stops.md).
#pragma once

#include "abi/landmark.hpp"
#include "abi/manifest.hpp"

namespace bulkhead::steering {

inline constexpr std::uint64_t physical_address = landmark::physical_address + 2 * page_bytes;
inline constexpr std::size_t pages = 12;
inline constexpr std::size_t max_orders = 190;
// Two ports, which stops use in turn, the first one the second: one bell is made ready while the other is
// waited for. Not 0x402, where the firmware talks.
inline constexpr std::uint16_t doorbell = 0x520;
// Two more for full trace rings: a pCPU whose ring is full rings one of them, and the machine stands still
// until the world outside has taken the ring's records (landmark::Page::drains).
inline constexpr std::uint16_t trace_doorbell = 0x522;

// One action, carried out by domain 0 as an entry of the timeline.
struct Order {
    manifest::TimelineEntry entry;
    std::int64_t parameters[plugin::max_parameters]; // swap: of the successor, all that it has
    std::int64_t done_at;                            // out: since the run's start; -1 while it is not done
    std::int64_t result;                             // out: 0, or a negated errno of <xen/errno.h>
};

struct Head {
    std::uint64_t stops;  // number of stops reached; domain 0 waits at the last until the bell is answered
    std::int64_t at;      // domain 0's time of the last stop, since the run's start
    std::uint32_t played; // orders of the last batch that are done, from the first on
    std::uint32_t count;  // orders that follow; written by the world outside, as they are
};

struct Page {
    Head head;
    Order orders[max_orders];
};
static_assert(sizeof(Page) <= pages * page_bytes);

} // namespace bulkhead::steering
