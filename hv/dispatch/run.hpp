// The run as a whole: when its clock starts, when it is over, and what it leaves for the reader outside.
#pragma once

#include "abi/landmark.hpp"
#include "abi/manifest.hpp"

namespace bulkhead::hv {

// Starts the regular housekeeping; the run's own duration counts from begin_run.
void prepare_run(Nanos duration);
void begin_run();

// Writes the last numbers, prints the ledger and R_max, audits all that is counted of frames and grants, and
// stops the machine with `status`, or as panicked if the audit found something.
[[noreturn]] void end_run(landmark::Exit status, const char* message);

} // namespace bulkhead::hv
