#include "hv/pae/entries.hpp"

#include "hv/dispatch/dispatch.hpp"
#include "hv/domain/domain.hpp"
#include "hv/mm/descriptors.hpp"
#include "hv/mm/paging.hpp"
#include "hv/mm/types.hpp"
#include "hv/pae/trap.hpp"
#include "hv/trap/bounce.hpp"

#include <array>

extern "C" {
#include <xen/callback.h>
}

namespace bulkhead::hv {

namespace {

constexpr unsigned entries_per_check = 16; // between two looks at whether to make way
constexpr std::uint64_t ring_mask = 3, ring_1 = 1, low_half = 0xffffffff;

HypercallResult register_callback(Vcpu& vcpu, const pae_abi::CallbackRegister& request) {
    const Callback callback{request.eip, (request.flags & CALLBACKF_mask_events) != 0};
    switch (request.type) {
    case CALLBACKTYPE_event:
        vcpu.entries.pae.event_callback = callback;
        return 0;
    case CALLBACKTYPE_failsafe:
        vcpu.entries.pae.failsafe_callback = callback;
        return 0;
    default: // SYSENTER and SYSCALL are not offered, and non-maskable interrupts are not yet
        return fail(Error::not_implemented);
    }
}

// No selector of a guest's gives it ring 0.
std::uint64_t outside_ring_0(std::uint64_t selector) {
    return (selector & ring_mask) == 0 ? selector | ring_1 : selector;
}

} // namespace

HypercallResult PaeSetTrapTable::run(HypercallContext& context) const {
    if (table.is_null()) {
        clear_pae_trap_handlers(context.caller);
        return 0;
    }
    for (std::uint64_t i = 0;; ++i) {
        if (i != 0 && i % entries_per_check == 0 && machine::should_preempt()) {
            context.arguments[0] = (table + i).address().value();
            return fail(Error::restart);
        }
        const auto entry = (table + i).read();
        if (!entry)
            return fail(entry.error());
        if (entry->address == 0)
            return 0;
        BULKHEAD_TRY(set_pae_trap_handler(context.caller, entry->vector, handler_of(*entry)));
    }
}

HypercallResult PaeSetCallbacks::run(HypercallContext& context) const {
    context.caller.entries.pae.event_callback = {event, true};
    context.caller.entries.pae.failsafe_callback = {failsafe, false};
    return 0;
}

HypercallResult PaeCallbackOp::run(HypercallContext& context) const {
    switch (command) {
    case CALLBACKOP_register: {
        const auto request = GuestPtr<pae_abi::CallbackRegister>{argument}.read();
        return request ? register_callback(context.caller, *request) : fail(request.error());
    }
    case CALLBACKOP_unregister:
        return fail(Error::invalid); // a kernel that has an entry once keeps one
    default:
        return fail(Error::not_implemented);
    }
}

HypercallResult PaeSetGdt::run(HypercallContext& context) const {
    if (entries > FIRST_RESERVED_GDT_ENTRY)
        return fail(Error::invalid);
    std::array<Mfn, FIRST_RESERVED_GDT_PAGE> list{};
    for (std::uint32_t i = 0; i < (entries + 511) / 512; ++i) {
        const auto mfn = (frames + i).read();
        BULKHEAD_TRY(mfn);
        list[i] = Mfn{*mfn};
    }
    const LockGuard tables{context.domain.memory.tables};
    BULKHEAD_TRY(settle(context.domain));
    BULKHEAD_TRY(set_pae_gdt(context.caller, list.data(), entries));
    return 0;
}

HypercallResult PaeUpdateDescriptor::run(HypercallContext& context) const {
    const auto checked = checked_pae_descriptor(descriptor);
    BULKHEAD_TRY(checked);
    const Mfn mfn{at >> page_shift};
    auto* frame = frame_table().find(mfn);
    if (frame == nullptr || at % 8 != 0)
        return fail(Error::invalid);
    const LockGuard tables{context.domain.memory.tables};
    BULKHEAD_TRY(settle(context.domain));
    // In a page that no descriptor table uses, the descriptor is data.
    const bool in_table = frame->validated() && frame->type() == FrameType::pae_descriptors;
    BULKHEAD_TRY(get_type(*frame, in_table ? FrameType::pae_descriptors : FrameType::writable,
                          Owner{context.domain.id}));
    __atomic_store_n(machine::frame_as<std::uint64_t>(mfn) + at % page_bytes / 8, *checked, __ATOMIC_RELAXED);
    drop_typed(mfn, context.domain);
    return 0;
}

HypercallResult PaeIret::run(HypercallContext& context) const {
    auto& vcpu = context.caller;
    auto& regs = vcpu.regs;
    struct {
        std::uint32_t eax, eip, cs, eflags, esp, ss;
    } saved{};
    constexpr std::size_t within_ring = 4 * sizeof(std::uint32_t);
    const auto stack = regs.rsp & low_half;
    if (!machine::copy_from_guest(&saved, GuestAddress{stack}, within_ring)) {
        crash_domain(context.domain, "iret: its kernel's stack cannot be read");
        return fail(Error::bad_address);
    }
    const auto cs = outside_ring_0(saved.cs & 0xffff);
    const bool to_kernel = (cs & ring_mask) == ring_1;
    if (!to_kernel && !machine::copy_from_guest(&saved.esp, GuestAddress{stack + within_ring},
                                                sizeof saved - within_ring)) {
        crash_domain(context.domain, "iret: its kernel's stack cannot be read");
        return fail(Error::bad_address);
    }
    if ((context.domain.vm_assist & (std::uint64_t{1} << VMASST_TYPE_architectural_iopl)) != 0)
        vcpu.processor.iopl = static_cast<std::uint8_t>((saved.eflags & rflags::iopl) >> 12);
    regs.rip = saved.eip;
    regs.cs = cs;
    regs.rflags = guest_flags(saved.eflags);
    regs.rsp = to_kernel ? (stack + within_ring) & low_half : saved.esp;
    if (!to_kernel)
        regs.ss = outside_ring_0(saved.ss & 0xffff);
    vcpu.processor.in_kernel = (cs & ring_mask) != 3;
    mask_events(vcpu, (saved.eflags & rflags::interrupt) == 0);
    return saved.eax;
}

} // namespace bulkhead::hv
