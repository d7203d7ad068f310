// Returning from a handler: every field of the frame is the guest's word, and none is believed.
#include "hv/base/machine.hpp"
#include "hv/calls/trap.hpp"
#include "hv/dispatch/dispatch.hpp"
#include "hv/trap/address.hpp"
#include "hv/trap/bounce.hpp"
#include "hv/trap/trap.hpp"

namespace bulkhead::hv {
namespace {

constexpr std::uint64_t user_level = 3;

void restore(Vcpu& vcpu, const iret_context& saved) {
    auto& regs = vcpu.regs;
    regs.rip = saved.rip;
    regs.rflags = guest_flags(saved.rflags);
    regs.rsp = saved.rsp;
    if (saved.flags & VGCF_in_syscall) { // as SYSRET leaves them
        regs.cs = FLAT_RING3_CS64;
        regs.ss = FLAT_RING3_SS64;
        regs.rcx = regs.rip;
        regs.r11 = regs.rflags;
        return;
    }
    regs.cs = (saved.cs & 0xffff) | user_level;
    regs.ss = (saved.ss & 0xffff) | user_level;
    regs.rcx = saved.rcx;
    regs.r11 = saved.r11;
}

} // namespace

HypercallResult Iret::run(HypercallContext& context) const {
    auto& vcpu = context.caller;
    iret_context saved;
    if (!machine::copy_from_guest(&saved, GuestAddress{vcpu.regs.rsp}, sizeof saved)) {
        crash_domain(context.domain, "iret: its kernel's stack cannot be read");
        return fail(Error::bad_address);
    }
    if ((saved.cs & user_level) == user_level) {
        if (vcpu.tables.user_root == Mfn{}) {
            crash_domain(context.domain, "iret to user mode, but there is no user page-table root");
            return fail(Error::invalid);
        }
        toggle_guest_mode(vcpu);
    }
    if (context.domain.vm_assist & (std::uint64_t{1} << VMASST_TYPE_architectural_iopl))
        vcpu.processor.iopl = static_cast<std::uint8_t>((saved.rflags & rflags::iopl) >> 12);
    restore(vcpu, saved);
    vcpu.entries.in_nmi = false;
    mask_events(vcpu, !(saved.rflags & rflags::interrupt));
    // A processor would fault on such an address while it resumes.
    if (!is_canonical(vcpu.regs.rip))
        deliver_failsafe(vcpu);
    return static_cast<std::int64_t>(saved.rax); // becomes rax
}

} // namespace bulkhead::hv
