// Marks: instants that a guest reports into the trace through Bulkhead's own light hypercall. On any other
// hypervisor a mark does nothing. The codes here are the `mark` events' field `a`; experiments read them by
// these names.
#pragma once

#include <cstdint>

namespace bulkhead::guest {

enum class Mark : std::uint64_t {
    ready = 1,          // value 0: the workload starts its work now
    operations = 2,     // value = operations done so far (compute, cpu_hog, tick_dodger, storms, borrower)
    request_sent = 3,   // value = sequence number; pinger
    reply_received = 4, // value = sequence number; pinger
    request_seen = 5,   // value = sequence number; responder, first thing when it runs
    response_sent = 6,  // value = sequence number; responder
    deadline = 7, // value = the guest time at which the pinger wanted to send, ns; right before request_sent
    finished = 8, // value = operations done in all; last mark of a workload
    slept = 9,    // value = ns slept; tick_dodger after each nap
    page_fault =
        10,         // value = ns that the guest waits for the page; workloads/paging.hpp. Policies hear of it
    page_used = 11, // value = the page, counted from 0; working_set
    extent = 12,    // value = ns that an extent took to be had; 0: it was refused; extents
    user = 1000,    // and upward: free for experiments
};

void mark(Mark code, std::uint64_t value = 0);

} // namespace bulkhead::guest
