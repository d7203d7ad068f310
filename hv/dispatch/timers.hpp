// The timers of vCPUs on the pCPU's queue: one-shot (set_timer_op), periodic, poll timeout; and carrying out
// what is due.
#pragma once

#include "hv/domain/vcpu.hpp"

namespace bulkhead::hv {

void start_timers(Vcpu& vcpu);
void stop_timers(Vcpu& vcpu);
// Deadline in the vCPU's own time; nullopt stops it.
void set_oneshot(Vcpu& vcpu, GuestTime deadline);
void clear_oneshot(Vcpu& vcpu);
// The vCPU starts to run: its clock goes on, and so does its one-shot timer. The run lock is held.
void go_on_with_oneshot(Vcpu& vcpu);
// Length in the vCPU's own time; 0: off. In mode virtual the vCPU's waiting counts as well.
void set_periodic(Vcpu& vcpu, Nanos length);
void set_poll_timeout(Vcpu& vcpu, GuestTime deadline);
void clear_poll_timeout(Vcpu& vcpu);

// The vCPU starts to run on this pCPU: its timers come along. The run lock is held.
void bring_timers(Vcpu& vcpu);

// Fires every timer due on this pCPU; each is billed to the domain it belongs to. Takes the run lock.
void run_timers();
// Housekeeping that run_timers found due. Takes any lock; none is held.
void keep_house_if_due();

// Calls `visit` every 10 ms of real time: console flushes, the end of the run, starvation. The time is billed
// to no domain.
void start_housekeeping(void (*visit)(RealTime now));

} // namespace bulkhead::hv
