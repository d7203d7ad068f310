// pCPUs as coroutines of one thread, so that a run depends on its input alone: each has a stack area like the
// real one's and goes on until it gives way. It does so where others could overtake it: in its guest, at
// rest, while it waits for a lock or a shoot-down, and when it asks whether to stop a long operation.
#pragma once

#include "hv/arch/pcpu.hpp"

#include <cstdint>

namespace bulkhead::hv {
struct Registers;

// hv/entry/interrupts.cpp, which only assembly calls elsewhere.
extern "C" Vcpu* syscall_entry(Registers* regs, Pcpu* self);
extern "C" Vcpu* guest_entry(Registers* regs, Pcpu* self);
extern "C" Vcpu* pae_guest_entry(Registers* regs, Pcpu* self);
extern "C" Vcpu* hypervisor_trap(Registers* regs);
} // namespace bulkhead::hv

namespace bulkhead::hv::whole {

enum class Where : std::uint8_t { guest, resting, waiting, at_safe_point };

// Fresh Pcpus, numbered; what runs until start_pcpus() is pCPU 0.
void make_pcpus(unsigned count);
// Each begins in `life` when it is resumed first. What the former ones were doing is forgotten.
void start_pcpus(void (*life)());
// Runs the pCPU until it gives way, past so many safe points.
void resume(unsigned pcpu, unsigned safe_points = 0);
// Calls `work` on the stack of pCPU 0, outside of its life.
void on_first_pcpu(void (*work)());
void give_way(Where where);
[[nodiscard]] Where where_is(unsigned pcpu);

// Basic blocks that the pCPU itself has run in the hypervisor, without those of waiting for others.
[[nodiscard]] std::uint64_t own_blocks(unsigned pcpu);
// The pCPU's present section begins here; and how many blocks it has run in it.
void begin_measuring(unsigned pcpu);
[[nodiscard]] std::uint64_t section_blocks(unsigned pcpu);

// Interrupts that wait for a pCPU: its vector, or 0. Taking it clears it.
[[nodiscard]] std::uint8_t take_interrupt_of(unsigned pcpu);
[[nodiscard]] bool interrupt_waits(unsigned pcpu);

// The vCPU that this pCPU's entry from a guest goes on with, by the entry for the vector in `regs`.
[[nodiscard]] Vcpu& enter_from_guest(Registers& regs);

} // namespace bulkhead::hv::whole
