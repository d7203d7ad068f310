// What is known about a guest or the hypervisor when it goes wrong, printed for a person to read. Reads only;
// trusts no pointer of a guest, and works in any state that it may be called in.
#pragma once

#include "hv/core/vcpu.hpp"

namespace bulkhead::hv {

// The exception that a guest raised last on this pCPU; shown by dump_vcpu if it was that vCPU's.
void remember_exception(const Vcpu& vcpu, unsigned vector, std::uint64_t error, std::uint64_t fault_address);

// Registers, address spaces, page tables behind rip, rsp and the last fault address, stack, code, and the
// latest trace records of this pCPU. The vCPU's memory is shown only if its address space is loaded here: if
// it is the current one.
void dump_vcpu(const Vcpu& vcpu);
// The hypervisor's own registers at a fatal exception, for panic. `fault_address` is CR2.
void dump_hypervisor(const Registers& regs, std::uint64_t fault_address);

} // namespace bulkhead::hv
