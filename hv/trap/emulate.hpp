// Carrying out instructions that a guest may not run itself. Each takes the registers of the trap from the
// vCPU, decodes the bytes at its rip (copied once), and either finishes the instruction or leaves every
// register as it was.
#pragma once

#include "hv/trap/emulate_decode.hpp"

namespace bulkhead::hv {

struct Vcpu;

enum class Emulation : std::uint8_t {
    done,     // finished: rip is behind it, or a handler of the guest was entered
    fault,    // known but refused: the guest gets #GP(0)
    not_ours, // not an instruction for the hypervisor: the exception is the guest's as it is
};

// After #GP whose error code names a gate: INT n in its short form, which reaches no gate of its own. False
// for all else.
[[nodiscard]] bool emulate_int(Vcpu& vcpu);
// After any other #GP.
[[nodiscard]] Emulation emulate_privileged(Vcpu& vcpu);
// After #UD: XEN_EMULATE_PREFIX followed by CPUID.
[[nodiscard]] bool emulate_forced(Vcpu& vcpu);
// After #PF on a present page that may not be written: a store into a page table, done through validation.
[[nodiscard]] bool emulate_page_table_write(Vcpu& vcpu, std::uint64_t fault_address);
// After #PF of an access that the processor made with the hypervisor's rights while the guest ran: IRET or a
// far return within the guest's ring. (QEMU's emulation reads their stack so, which SMAP then refuses.)
[[nodiscard]] bool emulate_far_return(Vcpu& vcpu);

// Bytes of the INT3, INTO or two-byte form that ended right before rip.
[[nodiscard]] std::uint64_t software_trap_length(const Vcpu& vcpu);

} // namespace bulkhead::hv
