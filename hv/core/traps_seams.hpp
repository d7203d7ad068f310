// What exception delivery and emulation ask of the processor's side, beyond machine.hpp. hv/arch implements it; the unit
// tests have a double. Every function concerns the vCPU that is current on this pCPU.
#pragma once

#include "abi/types.hpp"
#include "hv/core/error.hpp"

#include <cstdint>

namespace bulkhead::hv {

struct Vcpu;

// Puts fs_base, gs_base_kernel and gs_base_user of the vCPU into the processor.
void load_segment_bases(const Vcpu& vcpu);
// Loads `selector` as the gs of the guest's applications and keeps gs_base_user true. False if the selector is not usable;
// the applications' gs is then null.
[[nodiscard]] bool load_user_gs(Vcpu& vcpu, std::uint16_t selector);
// Puts debug[0..3] and debug[7] into the processor.
void load_debug_registers(const Vcpu& vcpu);
// What DR6 holds, which is cleared by reading it here.
[[nodiscard]] std::uint64_t take_debug_status();
// The processor's TS follows the guest's: called after Vcpu::task_switched changed.
void apply_task_switched(const Vcpu& vcpu);
// #NM: gives the FPU to the vCPU. True if the instruction can be restarted.
[[nodiscard]] bool handle_device_not_available(Vcpu& vcpu);
// MOV to CR3 by the guest's kernel: the same checks and effect as MMUEXT_NEW_BASEPTR.
[[nodiscard]] Result<> change_kernel_root(Vcpu& vcpu, Mfn root);
// The time-stamp counter in the vCPU's own time mode.
[[nodiscard]] std::uint64_t guest_tsc(const Vcpu& vcpu);
// The processor's page attribute table (MSR 0x277), which guests share.
[[nodiscard]] std::uint64_t host_page_attributes();

} // namespace bulkhead::hv
