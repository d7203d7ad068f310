// The time a guest is told: in mode real the machine's, in mode virtual the machine's less what the vCPU
// waited for a pCPU, in mode dilated the machine's divided by k. The pvclock fields of vcpu_info say so to
// the guest, honestly.
#pragma once

#include "hv/core/vcpu.hpp"

namespace bulkhead::hv {

// What the vCPU's clock shows at real time `now`.
[[nodiscard]] GuestTime guest_time(const Vcpu& vcpu, RealTime now);
// The earliest real time at which the clock can show `deadline`; in mode virtual it may turn out later.
[[nodiscard]] RealTime real_deadline(const Vcpu& vcpu, GuestTime deadline, RealTime now);

// Writes version, tsc_timestamp, system_time and scale where the guest reads them. Called when a vCPU starts
// to run.
void publish_time(Vcpu& vcpu);
// Wall clock at real time 0, in ns since 1970; and its publication in a domain's shared page.
void set_wall_clock(std::int64_t unix_ns);
void publish_wall_clock(Domain& domain);

// Enters a RUNSTATE_* at `now`, adding up the time in the one before.
void change_runstate(Vcpu& vcpu, std::uint32_t runstate, RealTime now);
// Total time in a runstate up to the present.
[[nodiscard]] Nanos runstate_total(const Vcpu& vcpu, std::uint32_t runstate);
// Copies the runstate into the guest's registered area; the vCPU's address space is loaded.
void publish_runstate(Vcpu& vcpu);

} // namespace bulkhead::hv
