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
// Length in the vCPU's own time; 0: off. In mode virtual the vCPU's waiting counts as well. The timer is
// armed only while the vCPU runs, as in Xen: it wakes no vCPU, and a vCPU that starts to run gets one event
// for all the ticks that it missed. The period of a vCPU that is down begins when it runs.
void set_periodic(Vcpu& vcpu, Nanos length);
void begin_period_anew(Vcpu& vcpu);
// A vCPU that has a period starts to run on this pCPU, and stops. stop_ticking answers the interrupt time for
// its timers that the policy was not told of. The run lock is held.
[[gnu::cold]] void start_ticking(Vcpu& vcpu, RealTime now);
[[nodiscard, gnu::cold]] Nanos stop_ticking(Vcpu& vcpu);
void set_poll_timeout(Vcpu& vcpu, GuestTime deadline);
void clear_poll_timeout(Vcpu& vcpu);

// The vCPU starts to run on this pCPU: its timers come along. The run lock is held.
void bring_timers(Vcpu& vcpu);

// Serves timers due on this pCPU, one per domain in turn, as long as the section may last; the interrupt that
// comes at once serves the rest. Each is billed to its owner, with the way into the hypervisor and the way
// back. Takes the run lock.
void run_timers();
// After run_timers the time goes on being the last owner's (Pcpu::serves_timer). Ends that: on the way back
// to the guest, and at the beginning of a dispatch, which is on the owner's behalf if it is a preemption. The
// run lock is held then.
[[gnu::cold]] void end_timer_work();
void end_timer_work_in_dispatch();
// Housekeeping and work of devices that run_timers found due. Takes any lock; none is held.
void keep_house_if_due();

// Calls `visit` every 10 ms of real time: console flushes, the end of the run, starvation. If it answers
// true, it has more to do and is called again soon. The time is billed to no domain.
void start_housekeeping(bool (*visit)(RealTime now));

} // namespace bulkhead::hv
