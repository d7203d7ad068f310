// Exceptions of 64-bit guests. Some are handled by the hypervisor, some are emulated, and the rest reach the
// guest's kernel. A guest that cannot take an exception is crashed with a dump; the hypervisor never is.
#pragma once

#include "hv/base/error.hpp"
#include "hv/trap/bounce.hpp"

#include <cstdint>
#include <optional>

extern "C" {
#include <xen/xen.h>
}

namespace bulkhead::hv {

struct Vcpu;

namespace vector {
inline constexpr unsigned divide = 0, debug = 1, nmi = 2, breakpoint = 3, overflow = 4, bound = 5,
                          invalid_opcode = 6, no_device = 7, double_fault = 8, coprocessor_segment = 9,
                          invalid_tss = 10, no_segment = 11, stack = 12, protection = 13, page_fault = 14,
                          x87 = 16, alignment = 17, machine_check = 18, simd = 19;
}

namespace page_fault {
inline constexpr std::uint64_t present = 1, write = 2, user = 4, reserved = 8, fetch = 16;
}

// Called by the entry path for vectors 0 to 31 raised in ring 3, with the registers in `vcpu.regs`.
// `fault_address` is CR2 of a page fault. On return the registers are what to resume with, unless the domain
// was crashed.
void handle_guest_trap(Vcpu& vcpu, std::uint64_t fault_address);

// Hands an exception to the guest's kernel as if the instruction at regs.rip had raised it. Crashes the
// domain if the guest registered no handler or its stack cannot take the frame.
void deliver_exception(Vcpu& vcpu, unsigned vector, std::optional<std::uint64_t> error = {});
void deliver_page_fault(Vcpu& vcpu, std::uint64_t address, std::uint64_t error);
// A trap (regs.rip already points behind the instruction) that software raised: INT n, INT3, INTO. Returns
// false, having changed nothing, if the guest gave the interrupted mode no permission for that vector.
[[nodiscard]] bool deliver_software_interrupt(Vcpu& vcpu, unsigned vector);

// The #GP error code of a software interrupt that is not permitted. The processor's own is not believed: one
// emulator gets it wrong.
[[nodiscard]] constexpr std::uint64_t refused_vector(unsigned vector) { return vector * 8 + 2; }

// A non-maskable interrupt is pending and the handler of none runs. Without a handler it is lost.
void deliver_nmi(Vcpu& vcpu);
// The event upcall; the caller found something pending and events not masked.
void deliver_event_callback(Vcpu& vcpu);
// SYSCALL by an application in 64-bit or 32-bit code: rcx holds its rip and r11 its rflags. Without a
// registered callback it becomes #UD at the instruction, as on a processor that lacks it.
void deliver_syscall(Vcpu& vcpu);
void deliver_syscall32(Vcpu& vcpu);
// INT 0x80, behind the instruction. It becomes #GP at the instruction if the kernel closed it to what ran.
void deliver_system_call_gate(Vcpu& vcpu);
// SYSENTER by an application. The processor keeps neither rip nor rsp, so that the frame has zeros for them.
// Without a registered callback it becomes #GP; a kernel, which no frame could resume, is crashed.
void deliver_sysenter(Vcpu& vcpu);
// The processor refused the state in vcpu.regs when the hypervisor tried to resume it (a bad selector).
void deliver_failsafe(Vcpu& vcpu);

// One entry of the guest's trap table. `flags` is as in struct trap_info. Fails on an address that is not the
// guest's, or for want of memory for the table.
[[nodiscard]] Result<> set_trap_handler(Vcpu& vcpu, const trap_info& entry);
// In one of the vCPU's tables, which is made at the first time.
[[nodiscard]] Result<> keep_handler(Vcpu& vcpu, TrapHandler*& table, unsigned vector,
                                    const TrapHandler& handler);
// Whether its kernel, of either width, has a handler for the exception.
[[nodiscard]] bool has_trap_handler(const Vcpu& vcpu, unsigned vector);
void clear_trap_handlers(Vcpu& vcpu);

} // namespace bulkhead::hv
