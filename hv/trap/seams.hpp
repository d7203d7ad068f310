// The interface of exception delivery and emulation to the processor, beyond machine.hpp. hv/arch implements
// it; the unit tests have a double. Every function concerns the vCPU that is current on this pCPU.
#pragma once

#include <cstdint>

namespace bulkhead::hv {

struct Vcpu;

// Writes the fs and gs bases that the processor holds into the vCPU, and back.
void save_segment_bases(Vcpu& vcpu);
void load_segment_bases(const Vcpu& vcpu);
// One base, in force at once; the second is that of the kernel's gs, while the kernel runs.
void set_fs_base(Vcpu& vcpu, std::uint64_t base);
void set_kernel_gs_base(Vcpu& vcpu, std::uint64_t base);
// Writes the selectors that the processor holds in ds, es, fs and gs into the vCPU.
void save_selectors(Vcpu& vcpu);
// Loads `selector` as the gs of the guest's applications and keeps gs_base_user true; the kernel's gs base
// stays. False if the selector is not usable; the applications' gs is then null.
[[nodiscard]] bool load_user_gs(Vcpu& vcpu, std::uint16_t selector);
// Puts debug[0..3] and debug[7] into the processor.
void load_debug_registers(const Vcpu& vcpu);
// What DR6 holds, which is cleared by reading it here.
[[nodiscard]] std::uint64_t take_debug_status();
// ProcessorState::task_switched changed: while it is set, the next use of the FPU must raise #NM.
void apply_task_switched(const Vcpu& vcpu);
// #NM of a guest. False: the guest's own TS was set (and is clear now): deliver it. True: there was no reason
// for it, and the instruction can be retried.
[[nodiscard]] bool handle_device_not_available(Vcpu& vcpu);

// The time-stamp counter as the guest may read it.
[[nodiscard]] std::uint64_t guest_tsc(const Vcpu& vcpu);
// The processor's page attribute table (IA32_PAT), which never changes.
[[nodiscard]] std::uint64_t host_page_attributes();

} // namespace bulkhead::hv
