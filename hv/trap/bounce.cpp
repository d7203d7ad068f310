// Building the frame of a PV64 guest's handler. The one place that writes to a guest's kernel stack.
#include "hv/trap/bounce.hpp"

#include "hv/base/machine.hpp"
#include "hv/dispatch/dispatch.hpp"
#include "hv/trap/handler_flags.hpp"

namespace bulkhead::hv {
namespace {

constexpr std::uint64_t rpl_mask = 3;

// What the frames end with: the guest goes on there.
struct Interrupted {
    std::uint64_t rip, cs, rflags, rsp, ss;
};
struct PlainFrame {
    std::uint64_t rcx, r11;
    Interrupted interrupted;
};
struct ErrorFrame {
    std::uint64_t rcx, r11, error;
    Interrupted interrupted;
};
struct SelectorsFrame {
    std::uint64_t rcx, r11, ds, es, fs, gs;
    Interrupted interrupted;
};

[[gnu::always_inline]] inline Interrupted interrupted(const Vcpu& vcpu) {
    const auto& regs = vcpu.regs;
    const bool masked = events_masked(vcpu);
    const auto selector = regs.cs & (vcpu.processor.in_kernel ? 0xffff & ~rpl_mask : 0xffff);
    return {regs.rip, selector | std::uint64_t{masked} << 32,
            interrupted_flags(regs.rflags, masked, vcpu.domain->vm_assist, vcpu.processor.iopl), regs.rsp,
            regs.ss & 0xffff};
}

void enter_kernel(Registers& regs, std::uint64_t entry, std::uint64_t stack) {
    start_handler(regs.rflags);
    regs.rip = entry;
    regs.cs = FLAT_KERNEL_CS64;
    regs.rsp = stack;
    regs.ss = FLAT_KERNEL_SS64;
    regs.rcx = regs.rip;
    regs.r11 = regs.rflags;
}

// copy_to_guest refuses what is not the guest's, wherever its stack pointer points.
template<class Frame>
[[gnu::always_inline]] inline bool enter(Vcpu& vcpu, Callback target, const Frame& frame) {
    auto top = vcpu.regs.rsp;
    if (!vcpu.processor.in_kernel) {
        toggle_guest_mode(vcpu);
        top = vcpu.entries.kernel_sp;
    }
    const auto stack = (top & ~std::uint64_t{15}) - sizeof frame;
    if (!machine::copy_to_guest(GuestAddress{stack}, &frame, sizeof frame)) [[unlikely]]
        return false;
    if (target.mask_events)
        mask_events(vcpu, true);
    enter_kernel(vcpu.regs, target.address, stack);
    return true;
}

} // namespace

bool events_masked(const Vcpu& vcpu) {
    return __atomic_load_n(&vcpu.info->evtchn_upcall_mask, __ATOMIC_RELAXED) != 0;
}

void mask_events(Vcpu& vcpu, bool masked) {
    __atomic_store_n(&vcpu.info->evtchn_upcall_mask, static_cast<std::uint8_t>(masked), __ATOMIC_RELAXED);
}

bool bounce(Vcpu& vcpu, Callback target) {
    const PlainFrame frame{vcpu.regs.rcx, vcpu.regs.r11, interrupted(vcpu)};
    return enter(vcpu, target, frame);
}

bool bounce_with_error(Vcpu& vcpu, Callback target, std::uint64_t error) {
    const ErrorFrame frame{vcpu.regs.rcx, vcpu.regs.r11, error, interrupted(vcpu)};
    return enter(vcpu, target, frame);
}

bool bounce_with_selectors(Vcpu& vcpu, Callback target) {
    const auto& selectors = vcpu.processor.selectors;
    const SelectorsFrame frame{vcpu.regs.rcx, vcpu.regs.r11, selectors.ds,     selectors.es,
                               selectors.fs,  selectors.gs,  interrupted(vcpu)};
    return enter(vcpu, target, frame);
}

} // namespace bulkhead::hv
