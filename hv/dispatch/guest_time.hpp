// The time a guest is told: in mode real the machine's, in mode virtual the machine's less what the vCPU
// waited for a pCPU, in mode dilated the machine's divided by k. The pvclock fields of vcpu_info say so to
// the guest, honestly.
#pragma once

#include "abi/pae.hpp"
#include "hv/domain/vcpu.hpp"

namespace bulkhead::hv {

// What the vCPU's clock shows at real time `now`.
[[nodiscard]] GuestTime guest_time(const Vcpu& vcpu, RealTime now);
// The earliest real time at which the clock can show `deadline`; in mode virtual it may turn out later.
[[nodiscard]] RealTime real_deadline(const Vcpu& vcpu, GuestTime deadline, RealTime now);
// How much real time a length of guest time takes while its clock runs.
[[nodiscard]] Nanos real_length(const Vcpu& vcpu, Nanos length);
// Mode virtual, and the vCPU waits for a pCPU: nothing becomes due.
[[nodiscard]] bool clock_stands_still(const Vcpu& vcpu);

// Writes the vCPU's time record where the guest reads it: vcpu_info, and the area of its own if it has one.
// Called when the place is new; refresh_time when a vCPU starts to run, for the modes whose record ages.
void publish_time(Vcpu& vcpu);
void refresh_time(Vcpu& vcpu);
// The guest's second copy, at a virtual address of its kernel; 0 for none.
void set_time_area(Vcpu& vcpu, std::uint64_t area);
// Wall clock at real time 0, in ns since 1970; and its publication in a domain's shared page.
void set_wall_clock(std::int64_t unix_ns);
void publish_wall_clock(Domain& domain);

// Enters a RUNSTATE_* at `now`, adding up the time in the one before.
void change_runstate(Vcpu& vcpu, std::uint32_t runstate, RealTime now);
// Total time in a runstate up to the present.
[[nodiscard]] Nanos runstate_total(const Vcpu& vcpu, std::uint32_t runstate);
// The runstate up to `until`, as the guest is told: in its own time, so that the states' times add up to what
// its clock shows. In mode virtual waiting for a pCPU takes no time; in mode dilated all takes a k-th.
[[nodiscard]] vcpu_runstate_info_t runstate_info(const Vcpu& vcpu, RealTime until);
[[nodiscard]] pae_abi::VcpuRunstateInfo pae_form(const vcpu_runstate_info_t& info);
// Added to the address of a 32-bit guest's area: no guest can be written to there.
inline constexpr std::uint64_t pae_area_mark = 0xffff800000000000;
// Copies the runstate into the guest's registered area; the vCPU's address space is loaded.
void publish_runstate(Vcpu& vcpu);
// Makes up for what could not be written to an area while the guest was in user mode. Called when its
// kernel's address space is loaded again.
void publish_late(Vcpu& vcpu);

} // namespace bulkhead::hv
