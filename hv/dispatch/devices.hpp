// When the machine's devices have something to do: timers on the pCPU that set them last. Nothing of a device
// is known here.
#pragma once

#include "abi/types.hpp"

namespace bulkhead::hv {

struct Domain;

// `serve` is called at or after the time that was set, with no lock held: it says for whom it works, sets the
// next time, and stops when machine::should_preempt. At boot.
void start_device(void (*serve)(RealTime now));
// Within `serve`: what follows is billed to this domain, in the ledger and with the scheduler. What came
// before the first payer is billed to that one, too. `serve` ends with nullptr: the rest is in the last
// payer's ledger, until another account is named. The domain exists until then, and the drive lock is held.
void device_works_for(Domain* payer);
// RealTime::never(): not at all. Takes the run lock. The second one is for devices that are not modelled,
// which have to be looked at: a machine without them never sets it. Either leads to `serve`.
void set_device_timer(RealTime deadline);
void set_poll_timer(RealTime deadline);

} // namespace bulkhead::hv
