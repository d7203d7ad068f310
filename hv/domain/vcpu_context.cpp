#include "hv/domain/vcpu_context.hpp"

#include "hv/dispatch/dispatch.hpp"
#include "hv/domain/domain.hpp"
#include "hv/mm/paging.hpp"
#include "hv/trap/address.hpp"
#include "hv/trap/trap.hpp"

namespace bulkhead::hv {

namespace {

constexpr std::uint64_t cr3_frame(std::uint64_t cr3) { return cr3 >> page_shift; }

bool is_guest_selector(std::uint64_t selector) { return (selector & 4) != 0 || (selector & 3) == 3; }

void take_registers(Vcpu& vcpu, const cpu_user_regs_t& from) {
    auto& to = vcpu.regs;
    to = {};
    to.r15 = from.r15, to.r14 = from.r14, to.r13 = from.r13, to.r12 = from.r12;
    to.rbp = from.rbp, to.rbx = from.rbx, to.r11 = from.r11, to.r10 = from.r10;
    to.r9 = from.r9, to.r8 = from.r8, to.rax = from.rax, to.rcx = from.rcx;
    to.rdx = from.rdx, to.rsi = from.rsi, to.rdi = from.rdi;
    to.rip = from.rip, to.rsp = from.rsp;
    to.cs = from.cs | 3;
    to.ss = from.ss == 0 ? std::uint64_t{FLAT_KERNEL_SS64} : std::uint64_t{from.ss} | 3;
    to.rflags = (from.rflags & ~(rflags::iopl | rflags::nested | rflags::vm86 | rflags::trap)) |
                rflags::interrupt | rflags::fixed;
    vcpu.processor.iopl = static_cast<std::uint8_t>((from.rflags & rflags::iopl) >> 12);
    vcpu.processor.selectors = {from.ds, from.es, from.fs, from.gs};
}

Result<> take_traps(Vcpu& vcpu, const vcpu_guest_context_t& context) {
    for (const auto& entry : context.trap_ctxt)
        if (entry.address != 0)
            BULKHEAD_TRY(set_trap_handler(vcpu, entry));
    return {};
}

Result<> take_gdt(Vcpu& vcpu, const vcpu_guest_context_t& context) {
    if (context.gdt_ents == 0)
        return {};
    Mfn frames[16];
    const auto count = (context.gdt_ents + 511) / 512;
    if (count > 14)
        return fail(Error::invalid);
    for (std::size_t i = 0; i < count; ++i)
        frames[i] = Mfn{context.gdt_frames[i]};
    return set_gdt(vcpu, frames, static_cast<std::uint32_t>(context.gdt_ents));
}

bool addresses_are_sane(const vcpu_guest_context_t& c) {
    return is_guest_address(c.user_regs.rip) && is_guest_address(c.event_callback_eip) &&
           is_guest_address(c.failsafe_callback_eip) && is_guest_address(c.syscall_callback_eip) &&
           is_canonical(c.fs_base) && is_canonical(c.gs_base_kernel) && is_canonical(c.gs_base_user) &&
           is_guest_selector(c.user_regs.cs | 3);
}

} // namespace

Result<> load_context(Vcpu& vcpu, const vcpu_guest_context_t& context) {
    // No root is a root to set_kernel_root, but none to a processor.
    if (!addresses_are_sane(context) || cr3_frame(context.ctrlreg[3]) == 0)
        return fail(Error::invalid);
    BULKHEAD_TRY(set_kernel_root(vcpu, Mfn{cr3_frame(context.ctrlreg[3])}, false));
    if (context.ctrlreg[1] != 0)
        BULKHEAD_TRY(set_user_root(vcpu, Mfn{cr3_frame(context.ctrlreg[1])}, false));
    BULKHEAD_TRY(take_gdt(vcpu, context));
    BULKHEAD_TRY(take_traps(vcpu, context));
    take_registers(vcpu, context.user_regs);
    vcpu.processor.in_kernel = true;
    vcpu.entries.kernel_sp = context.kernel_sp;
    vcpu.entries.kernel_ss = context.kernel_ss;
    vcpu.entries.event_callback = {context.event_callback_eip, true};
    vcpu.entries.failsafe_callback = {context.failsafe_callback_eip,
                                      (context.flags & VGCF_failsafe_disables_events) != 0};
    vcpu.entries.syscall_callback = {context.syscall_callback_eip,
                                     (context.flags & VGCF_syscall_disables_events) != 0};
    vcpu.processor.fs_base = context.fs_base;
    vcpu.processor.gs_base_kernel = context.gs_base_kernel;
    vcpu.processor.gs_base_user = context.gs_base_user;
    vcpu.domain->vm_assist |= context.vm_assist & 0xf;
    vcpu.sched.initialised = true;
    if ((context.flags & VGCF_online) != 0)
        vcpu.sched.online = true;
    reconsider(vcpu);
    return {};
}

Result<> load_context_from_guest(Vcpu& vcpu, GuestPtr<vcpu_guest_context_t> where) {
    // Over 5 kB: a static buffer, used under the hypervisor's one-at-a-time rule, spares the stack.
    static vcpu_guest_context_t context;
    if (!machine::copy_from_guest(&context, where.address(), sizeof context))
        return fail(Error::bad_address);
    return load_context(vcpu, context);
}

} // namespace bulkhead::hv
