// The dispatcher decides which vCPU holds a pCPU: it is the mechanism under the scheduler policies. It keeps
// the truth about every vCPU's state, asks the policy, checks the answer, switches, and bills the time.
#pragma once

#include "hv/domain/domain.hpp"

namespace bulkhead::hv {

enum class WakeCause : std::uint8_t { unpause, event, timer, kick };

// blocked -> queued. A vCPU that runs on another pCPU looks for events at once; no effect on one that is
// queued, paused or offline. Takes the run lock.
void wake_vcpu(Vcpu& vcpu, WakeCause cause);

// The vCPU whose guest this pCPU entered from; never null inside a hypercall or a guest's trap.
[[nodiscard]] Vcpu* current_vcpu();

// Switches the current vCPU between its kernel's and its applications' address space and gs base.
void toggle_guest_mode(Vcpu& vcpu);

// The current vCPU gives its pCPU up at the end of this entry. block_current does nothing if an event waits
// already; poll_current, which was told by Vcpu::poll what to wait for, nothing if the poll is over.
void block_current();
void poll_current();
void yield_current();

// Reasons that keep vCPUs from running; counted, so that they nest. A running vCPU leaves its pCPU before it
// next enters its guest (this pCPU) or is kicked off it (another).
void pause_vcpu(Vcpu& vcpu);
void unpause_vcpu(Vcpu& vcpu);
// Something else that decides whether the vCPU may run has changed (context, online, the domain's life).
void reconsider(Vcpu& vcpu);
void reconsider_all(Domain& domain);
void pause_all(Domain& domain);
void unpause_all(Domain& domain);
// The same under the run lock, as if at `now`: the vCPUs of several domains wake at one instant.
void unpause_all(Domain& domain, RealTime now);

// A vCPU comes up (VCPUOP_up, domain creation) and down, for good: nothing lets it run any more. detach
// answers restart while another pCPU still runs it.
[[nodiscard]] Result<> attach_vcpu(Vcpu& vcpu);
[[nodiscard]] Result<> detach_vcpu(Vcpu& vcpu);

// While held, every pCPU that dispatches idles instead of asking the policy. For standstill.cpp, as is
// give_pcpu_up: the current vCPU stops at once, and the pCPU is free until it dispatches. The run lock is
// held there.
void hold_dispatch(bool held);
void give_pcpu_up();

// The pCPU must ask the policy again: before it next enters a guest. Another one is kicked.
void request_dispatch(PcpuId pcpu);

} // namespace bulkhead::hv
