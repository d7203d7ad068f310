// Where every entry to the hypervisor arrives in C++: from a guest, or from the hypervisor itself.
#include "hv/arch/apic.hpp"
#include "hv/arch/context.hpp"
#include "hv/arch/cpu.hpp"
#include "hv/arch/features.hpp"
#include "hv/arch/panic.hpp"
#include "hv/arch/pcpu.hpp"
#include "hv/arch/remote.hpp"
#include "hv/base/machine.hpp"
#include "hv/calls/table.hpp"
#include "hv/dispatch/leave.hpp"
#include "hv/dispatch/timers.hpp"
#include "hv/pae/calls.hpp"
#include "hv/pae/trap.hpp"
#include "hv/plugin/guard.hpp"
#include "hv/trace/ledger.hpp"
#include "hv/trace/trace.hpp"
#include "hv/trap/seams.hpp"
#include "hv/trap/trap.hpp"

namespace bulkhead::hv {

namespace {

struct Fixup {
    std::uint64_t fault, resume;
};
extern "C" const Fixup fixups_start[], fixups_end[];
extern "C" const char guest_iret[], spin_start[], spin_end[];

bool apply_fixup(Registers& regs) {
    for (const Fixup* fixup = fixups_start; fixup != fixups_end; ++fixup)
        if (fixup->fault == regs.rip) {
            regs.rip = fixup->resume;
            return true;
        }
    return false;
}

[[gnu::noinline]] void take_interrupt(Pcpu& self, std::uint64_t vector) {
    if (vector == timer_vector) [[likely]] {
        acknowledge_interrupt();
        self.programmed = self.expires = RealTime::never(); // it is spent
        self.ask(work::timer);
    } else if (vector != spurious_vector) {
        acknowledge_interrupt();
        if (vector == kick_vector) {
            self.ask(work::dispatch);
        } else if (vector == request_vector) {
            self.request_pending = true;
            serve_flush();
        }
    }
}

// What comes from a guest and is not a hypercall.
[[gnu::always_inline]] inline void take_trap(Pcpu& self, Vcpu& vcpu) {
    const auto& regs = vcpu.regs;
    if (regs.vector < 32) {
        const auto fault_address = regs.vector == vector::page_fault ? cpu::read_cr2() : 0;
        name_section(self, landmark::SectionKind::trap, static_cast<std::uint32_t>(regs.vector));
        count(vcpu.domain->ledger->traps);
        trace_event(trace::Event::trap, vcpu, regs.vector << 32 | (regs.error & 0xffffffff), regs.rip);
        if (regs.vector != vector::nmi)
            handle_guest_trap(vcpu, fault_address);
    } else if (regs.vector == entry_syscall32) {
        deliver_syscall32(vcpu);
    } else if (regs.vector == entry_sysenter) {
        deliver_sysenter(vcpu);
    } else {
        name_section(self, landmark::SectionKind::interrupt, static_cast<std::uint32_t>(regs.vector));
        take_interrupt(self, regs.vector);
    }
}

[[gnu::noinline]] void take_trap_of_pae(Pcpu& self, Vcpu& vcpu) { take_trap(self, vcpu); }

// An interrupt ends the loop of a resting pCPU at once.
void leave_spin(Registers& regs) {
    const auto start = reinterpret_cast<std::uint64_t>(spin_start);
    const auto end = reinterpret_cast<std::uint64_t>(spin_end);
    if (regs.rip - start < end - start)
        regs.rip = end;
}

} // namespace

// The entries from a guest: `regs` is the start of its Vcpu. They return the vCPU to resume.

// By SYSCALL from 64-bit code, which clears AC.
extern "C" Vcpu* syscall_entry(Registers* regs, Pcpu* self) {
    Vcpu& vcpu = *reinterpret_cast<Vcpu*>(regs);
    enter_hypervisor(*self);
    if (vcpu.processor.in_kernel) [[likely]]
        handle_hypercall(*self, vcpu);
    else
        deliver_syscall(vcpu);
    return &leave_hypervisor(*self);
}

// By INT 0x80.
extern "C" Vcpu* system_call_entry(Registers* regs, Pcpu* self) {
    Vcpu& vcpu = *reinterpret_cast<Vcpu*>(regs);
    if (features().smap)
        cpu::clac();
    enter_hypervisor(*self);
    deliver_system_call_gate(vcpu);
    return &leave_hypervisor(*self);
}

// In any other way, from ring 3.
extern "C" Vcpu* guest_entry(Registers* regs, Pcpu* self) {
    Vcpu& vcpu = *reinterpret_cast<Vcpu*>(regs);
    if (features().smap)
        cpu::clac(); // a guest may have set AC, and interrupt gates keep it
    enter_hypervisor(*self);
    take_trap(*self, vcpu);
    return &leave_hypervisor(*self);
}

// From a 32-bit guest, in ring 1 or ring 3. AC stays as the guest has it: SMAP is off meanwhile.
extern "C" Vcpu* pae_guest_entry(Registers* regs, Pcpu* self) {
    Vcpu& vcpu = *reinterpret_cast<Vcpu*>(regs);
    enter_hypervisor(*self);
    vcpu.processor.in_kernel = (regs->cs & 3) != 3;
    if (regs->vector == pae_hypercall_vector)
        handle_pae_hypercall(*self, vcpu);
    else if (regs->vector < 32)
        take_pae_trap(*self, vcpu, regs->vector == vector::page_fault ? cpu::read_cr2() : 0,
                      take_trap_of_pae);
    else if (regs->vector == system_call_vector)
        deliver_system_call_gate(vcpu);
    else
        take_trap_of_pae(*self, vcpu);
    return &leave_hypervisor(*self);
}

// From the hypervisor itself: an interrupt while it idles or calls a plug-in, or a fault. Returns nullptr to
// go on where it was, or a vCPU to resume instead.
extern "C" Vcpu* hypervisor_trap(Registers* regs) {
    const auto vector = regs->vector;
    if (vector >= 32) {
        take_interrupt(pcpu(), vector);
        static_cast<void>(recover_from_overrun(*regs));
        leave_spin(*regs);
        return nullptr;
    }
    if (vector == vector::nmi)
        return nullptr;
    // A guest's breakpoint on data that the hypervisor copied for it, or SYSENTER with the trap flag set.
    if (vector == vector::debug) {
        static_cast<void>(take_debug_status());
        regs->rflags &= ~rflags::trap;
        return nullptr;
    }
    if (apply_fixup(*regs) || recover_from_trap(*regs, cpu::read_cr2()))
        return nullptr;
    if (regs->rip == reinterpret_cast<std::uint64_t>(guest_iret)) {
        auto& self = pcpu();
        enter_hypervisor(self);
        deliver_failsafe(*self.current);
        return &leave_hypervisor(self);
    }
    panic_at(*regs, cpu::read_cr2());
}

} // namespace bulkhead::hv
