// Segment and interrupt descriptors of the machine: one page of hypervisor descriptors that appears at the
// same place in every vCPU's GDT, one task-state segment per pCPU, one interrupt table for all.
#pragma once

#include "abi/types.hpp"
#include "hv/base/error.hpp"

namespace bulkhead::hv {

struct Vcpu;

void start_descriptors(); // once, on the first pCPU: builds the shared page and the interrupt table
void load_descriptors();  // on each pCPU: GDT, IDT, TSS, SYSCALL stubs
// This pCPU's exceptions that need a stack of their own find theirs in this stack area.
void use_exception_stacks(std::uint64_t area);
// Makes the hypervisor's page appear in a vCPU's area, or that of 32-bit guests. Fails with no_memory.
[[nodiscard]] Result<> prepare_descriptor_area(std::uint32_t slot, bool pae = false);
// The gates in force while the vCPU of a 32-bit guest is loaded, and those for all others.
void load_gates(bool pae);
void select_vcpu_entry(Vcpu& vcpu); // entries from the guest now save into this vCPU's registers
void load_gdt_of(const Vcpu& vcpu);
void load_ldt_of(const Vcpu& vcpu);

} // namespace bulkhead::hv
