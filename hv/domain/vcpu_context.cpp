#include "hv/domain/vcpu_context.hpp"

#include "abi/pae.hpp"
#include "hv/arch/layout.hpp"
#include "hv/dispatch/dispatch.hpp"
#include "hv/domain/domain.hpp"
#include "hv/mm/paging.hpp"
#include "hv/pae/trap.hpp"
#include "hv/trap/address.hpp"
#include "hv/trap/trap.hpp"

#include <algorithm>
#include <cstring>
#include <span>

namespace bulkhead::hv {

namespace {

constexpr std::size_t all_traps = sizeof(vcpu_guest_context_t::trap_ctxt) / sizeof(trap_info_t);
constexpr std::size_t traps_of_a_step = 16;
static_assert(all_traps % traps_of_a_step == 0);

// A context of which pieces are read when they are needed, each into its own place.
class Source {
  public:
    explicit Source(GuestPtr<vcpu_guest_context_t> guest) : guest_{guest.address().value()} {}
    explicit Source(const vcpu_guest_context_t& own) : own_{&own} {}
    [[nodiscard]] std::uint64_t name() const {
        return own_ != nullptr ? reinterpret_cast<std::uint64_t>(own_) : guest_;
    }
    [[nodiscard]] Result<> read(vcpu_guest_context_t& into, std::size_t from, std::size_t to) const {
        auto* place = reinterpret_cast<std::byte*>(&into) + from;
        if (own_ != nullptr)
            std::memcpy(place, reinterpret_cast<const std::byte*>(own_) + from, to - from);
        else if (!machine::copy_from_guest(place, GuestAddress{guest_ + from}, to - from))
            return fail(Error::bad_address);
        return {};
    }

  private:
    std::uint64_t guest_ = 0;
    const vcpu_guest_context_t* own_ = nullptr;
};

constexpr std::uint64_t cr3_frame(std::uint64_t cr3) { return cr3 >> page_shift; }
// Of 32 bits: the frame's upper bits are in the lower ones of the register.
constexpr std::uint64_t pae_cr3_frame(std::uint32_t cr3) {
    return cr3 >> page_shift | (cr3 & (page_bytes - 1)) << (32 - page_shift);
}

bool is_guest_selector(std::uint64_t selector) { return (selector & 4) != 0 || (selector & 3) == 3; }

// A 32-bit kernel starts in ring 1, in the flat segments that the ABI reserves.
void take_pae_registers(Registers& to, const cpu_user_regs_t& from) {
    constexpr std::uint64_t low_half = 0xffffffff;
    to.r8 = to.r9 = to.r10 = to.r11 = to.r12 = to.r13 = to.r14 = to.r15 = 0;
    to.rip = from.rip & low_half;
    to.rsp = from.rsp & low_half;
    to.cs = layout::pae_kernel_cs;
    to.ss = layout::pae_kernel_ss;
}

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
    if (vcpu.domain->pae)
        take_pae_registers(to, from);
    vcpu.processor.iopl = static_cast<std::uint8_t>((from.rflags & rflags::iopl) >> 12);
    vcpu.processor.selectors = {from.ds, from.es, from.fs, from.gs};
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
    if (vcpu.domain->pae)
        return set_pae_gdt(vcpu, frames, static_cast<std::uint32_t>(context.gdt_ents));
    return set_gdt(vcpu, frames, static_cast<std::uint32_t>(context.gdt_ents));
}

bool addresses_are_sane(const vcpu_guest_context_t& c) {
    return is_guest_address(c.user_regs.rip) && is_guest_address(c.event_callback_eip) &&
           is_guest_address(c.failsafe_callback_eip) && is_guest_address(c.syscall_callback_eip) &&
           is_canonical(c.fs_base) && is_canonical(c.gs_base_kernel) && is_canonical(c.gs_base_user) &&
           is_guest_selector(c.user_regs.cs | 3);
}

constexpr std::size_t offset_of_traps = offsetof(vcpu_guest_context_t, trap_ctxt);

Result<> read_all_but_traps(vcpu_guest_context_t& into, const Source& from) {
    BULKHEAD_TRY(from.read(into, offsetof(vcpu_guest_context_t, flags), offset_of_traps));
    return from.read(into, offset_of_traps + sizeof into.trap_ctxt, sizeof into);
}

Result<> take_some_traps(Vcpu& vcpu, std::span<const trap_info_t> traps) {
    const LockGuard tables{vcpu.domain->memory.tables};
    if (vcpu.sched.initialised)
        return fail(Error::exists);
    for (const auto& entry : traps)
        if (entry.address != 0)
            BULKHEAD_TRY(set_trap_handler(vcpu, entry));
    return {};
}

// Goes on behind those that an interrupted call with the same context has taken.
Result<> take_traps(Vcpu& vcpu, vcpu_guest_context_t& context, const Source& from) {
    auto& begun = vcpu.initialising;
    if (begun.context != from.name())
        begun = {.context = from.name(), .traps = 0};
    for (std::size_t i = begun.traps; i < all_traps; i += traps_of_a_step) {
        const auto at = [](std::size_t n) { return offset_of_traps + n * sizeof(trap_info_t); };
        BULKHEAD_TRY(from.read(context, at(i), at(i + traps_of_a_step)));
        BULKHEAD_TRY(take_some_traps(vcpu, std::span{context.trap_ctxt}.subspan(i, traps_of_a_step)));
        begun.traps = static_cast<std::uint32_t>(i + traps_of_a_step);
        if (machine::should_preempt())
            return fail(Error::restart);
    }
    return {};
}

// A kernel finds its first root pinned.
Result<> take_pae_root(Vcpu& vcpu, Mfn root) {
    BULKHEAD_TRY(set_pae_root(vcpu, root, false));
    if (!frame_table().at(root).pinned)
        BULKHEAD_TRY(pin(root, FrameType::pae_l3, *vcpu.domain));
    return settle(*vcpu.domain);
}

// The lock of the page tables is held.
Result<> take_tables(Vcpu& vcpu, const vcpu_guest_context_t& context) {
    BULKHEAD_TRY(settle(*vcpu.domain));
    BULKHEAD_TRY(take_gdt(vcpu, context));
    if (vcpu.domain->pae)
        return take_pae_root(vcpu, Mfn{cr3_frame(context.ctrlreg[3])});
    BULKHEAD_TRY(set_kernel_root(vcpu, Mfn{cr3_frame(context.ctrlreg[3])}, false));
    if (context.ctrlreg[1] != 0)
        BULKHEAD_TRY(set_user_root(vcpu, Mfn{cr3_frame(context.ctrlreg[1])}, false));
    return settle(*vcpu.domain);
}

void take_entries_and_bases(Vcpu& vcpu, const vcpu_guest_context_t& context) {
    vcpu.processor.in_kernel = true;
    vcpu.entries.kernel_sp = context.kernel_sp;
    vcpu.entries.kernel_ss = context.kernel_ss;
    if (vcpu.domain->pae) {
        vcpu.entries.pae.event_callback = {context.event_callback_eip, true};
        vcpu.entries.pae.failsafe_callback = {context.failsafe_callback_eip,
                                              (context.flags & VGCF_failsafe_disables_events) != 0};
        return;
    }
    vcpu.entries.event_callback = {context.event_callback_eip, true};
    vcpu.entries.failsafe_callback = {context.failsafe_callback_eip,
                                      (context.flags & VGCF_failsafe_disables_events) != 0};
    vcpu.entries.syscall_callback = {context.syscall_callback_eip,
                                     (context.flags & VGCF_syscall_disables_events) != 0};
    vcpu.processor.fs_base = context.fs_base;
    vcpu.processor.gs_base_kernel = context.gs_base_kernel;
    vcpu.processor.gs_base_user = context.gs_base_user;
}

// Everything is checked: another call may have been faster all the same.
Result<> finish(Vcpu& vcpu, const vcpu_guest_context_t& context) {
    const LockGuard tables{vcpu.domain->memory.tables};
    if (vcpu.sched.initialised)
        return fail(Error::exists);
    BULKHEAD_TRY(take_tables(vcpu, context));
    take_registers(vcpu, context.user_regs);
    take_entries_and_bases(vcpu, context);
    vcpu.domain->vm_assist |= context.vm_assist & 0xf;
    vcpu.sched.initialised = true;
    if ((context.flags & VGCF_online) != 0)
        vcpu.sched.online = true;
    reconsider(vcpu);
    return {};
}

using PaeContext = pae_abi::VcpuGuestContext;

// All but the traps, in the form of 64-bit guests. What has no place there is 0.
Result<> read_pae(vcpu_guest_context_t& to, std::uint64_t from) {
    const auto head = GuestPtr<PaeContext::Head>{from + offsetof(PaeContext, head)}.read();
    BULKHEAD_TRY(head);
    const auto tail = GuestPtr<PaeContext::Tail>{from + offsetof(PaeContext, tail)}.read();
    BULKHEAD_TRY(tail);
    to = {};
    to.flags = head->flags;
    const auto& r = head->user_regs;
    auto& regs = to.user_regs;
    regs.rbx = r.ebx, regs.rcx = r.ecx, regs.rdx = r.edx, regs.rsi = r.esi;
    regs.rdi = r.edi, regs.rbp = r.ebp, regs.rax = r.eax;
    regs.rip = r.eip, regs.rsp = r.esp, regs.rflags = r.eflags;
    regs.cs = r.cs, regs.ss = r.ss & 0xffff;
    const auto selector = [](std::uint32_t word) { return static_cast<std::uint16_t>(word); };
    regs.ds = selector(r.ds), regs.es = selector(r.es), regs.fs = selector(r.fs), regs.gs = selector(r.gs);
    std::ranges::copy(tail->gdt_frames, to.gdt_frames);
    to.gdt_ents = tail->gdt_ents;
    to.kernel_ss = tail->kernel_ss, to.kernel_sp = tail->kernel_sp;
    to.ctrlreg[3] = xen_pfn_to_cr3(pae_cr3_frame(tail->ctrlreg[3]));
    to.event_callback_eip = tail->event_callback_eip;
    to.failsafe_callback_eip = tail->failsafe_callback_eip;
    to.vm_assist = tail->vm_assist;
    return {};
}

// As take_traps.
Result<> take_pae_traps(Vcpu& vcpu, std::uint64_t from) {
    auto& begun = vcpu.initialising;
    if (begun.context != from)
        begun = {.context = from, .traps = 0};
    const GuestPtr<pae_abi::TrapInfo> traps{from + offsetof(PaeContext, traps)};
    while (begun.traps < all_traps) {
        const auto entry = (traps + begun.traps).read();
        BULKHEAD_TRY(entry);
        const LockGuard tables{vcpu.domain->memory.tables};
        if (vcpu.sched.initialised)
            return fail(Error::exists);
        if (entry->address != 0)
            BULKHEAD_TRY(set_pae_trap_handler(vcpu, entry->vector, handler_of(*entry)));
        if (++begun.traps % traps_of_a_step == 0 && begun.traps < all_traps && machine::should_preempt())
            return fail(Error::restart);
    }
    return {};
}

Result<> load_pae(Vcpu& vcpu, std::uint64_t from) {
    vcpu_guest_context_t context;
    BULKHEAD_TRY(read_pae(context, from));
    if (cr3_frame(context.ctrlreg[3]) == 0)
        return fail(Error::invalid);
    BULKHEAD_TRY(take_pae_traps(vcpu, from));
    return finish(vcpu, context);
}

Result<> load(Vcpu& vcpu, const Source& from) {
    vcpu_guest_context_t context; // 5 kB of which only what was read is used
    BULKHEAD_TRY(read_all_but_traps(context, from));
    // No root is a root to set_kernel_root, but none to a processor.
    if (!addresses_are_sane(context) || cr3_frame(context.ctrlreg[3]) == 0)
        return fail(Error::invalid);
    BULKHEAD_TRY(take_traps(vcpu, context, from));
    return finish(vcpu, context);
}

Result<> end_step(Vcpu& vcpu, Result<> loaded) {
    if (loaded || loaded.error() != Error::restart)
        vcpu.initialising = {};
    return loaded;
}

} // namespace

Result<> load_context(Vcpu& vcpu, const vcpu_guest_context_t& context) {
    return end_step(vcpu, load(vcpu, Source{context}));
}

Result<> load_context_from_guest(Vcpu& vcpu, GuestPtr<vcpu_guest_context_t> where) {
    return end_step(vcpu, load(vcpu, Source{where}));
}

Result<> load_pae_context_from_guest(Vcpu& vcpu, std::uint64_t where) {
    return end_step(vcpu, load_pae(vcpu, where));
}

} // namespace bulkhead::hv
