// Guests that do nothing but block I/O: what the victim and the attack have in common.
#pragma once

#include "workloads/workload.hpp"

namespace bulkhead::workload {

struct DiskOptions {
    Option bytes, depth, rings, period_us, burst, phase_ns, sequential, write, work_us, flush, discard;
};

// With a period, `burst` requests at a time are due on a timetable whatever became of earlier ones (open
// loop); without, `depth` of them are always outstanding on each ring. Each disk has a ring of its own.
// Marks: deadline and request_sent, reply_received, and operations: the answers so far. Prints one RESULT
// line under `name`.
void use_disk(std::string_view name, const DiskOptions& options);

} // namespace bulkhead::workload
