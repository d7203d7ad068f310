#include "hv/pae/iret.hpp"

#include "hv/dispatch/dispatch.hpp"
#include "hv/domain/domain.hpp"
#include "hv/trap/bounce.hpp"

namespace bulkhead::hv {

namespace {

constexpr std::uint64_t ring_mask = 3, ring_1 = 1, low_half = 0xffffffff;

// No selector of a guest's gives it ring 0.
std::uint64_t outside_ring_0(std::uint64_t selector) {
    return (selector & ring_mask) == 0 ? selector | ring_1 : selector;
}

} // namespace

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
    vcpu.entries.in_nmi = false;
    mask_events(vcpu, (saved.eflags & rflags::interrupt) == 0);
    return saved.eax;
}

} // namespace bulkhead::hv
