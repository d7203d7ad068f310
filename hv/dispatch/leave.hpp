// The way back to a guest, which ends every entry to the hypervisor: in line, since each hypercall and trap
// takes it.
#pragma once

#include "hv/arch/pcpu.hpp"
#include "hv/domain/domain.hpp"
#include "hv/trace/ledger.hpp"
#include "hv/trap/bounce.hpp"

namespace bulkhead::hv {

// An interrupt of its guest's kernel that is due now.
[[nodiscard]] inline bool wants_nmi(const Vcpu& vcpu) {
    return vcpu.entries.nmi_pending.load(std::memory_order_relaxed) && !vcpu.entries.in_nmi;
}
[[nodiscard]] inline bool wants_upcall(const Vcpu& vcpu) {
    return vcpu.info->evtchn_upcall_pending != 0 && !events_masked(vcpu);
}

// Dispatches if asked, idles if no vCPU can run, delivers interrupts to the vCPU that holds the pCPU then.
void do_what_waits(Pcpu& self);
// The same, when nothing but an event waits.
void deliver_upcall(Pcpu& self);

// Called last on every entry. Returns the vCPU to resume.
[[nodiscard, gnu::always_inline]] inline Vcpu& leave_hypervisor(Pcpu& self) {
    if (self.is_asked() || wants_nmi(*self.current)) [[unlikely]]
        do_what_waits(self);
    else if (wants_upcall(*self.current)) [[unlikely]]
        deliver_upcall(self);
    Vcpu& vcpu = *self.current;
    leave_for_guest(self, vcpu, vcpu.service.account);
    return vcpu;
}

} // namespace bulkhead::hv
