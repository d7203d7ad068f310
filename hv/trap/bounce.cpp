// Building the frame of a PV64 guest's handler. The one place that writes to a guest's kernel stack.
#include "hv/trap/bounce.hpp"

#include "hv/base/machine.hpp"
#include "hv/dispatch/dispatch.hpp"
#include "hv/trap/address.hpp"

namespace bulkhead::hv {
namespace {

constexpr std::uint64_t rpl_mask = 3;

// A frame under construction, from the highest address down.
class Frame {
  public:
    void push(std::uint64_t word) { words_[--first_] = word; }
    [[nodiscard]] const std::uint64_t* data() const { return words_ + first_; }
    [[nodiscard]] std::size_t bytes() const { return (capacity - first_) * sizeof(std::uint64_t); }

  private:
    static constexpr std::size_t capacity = 12;
    std::uint64_t words_[capacity];
    std::size_t first_ = capacity;
};

// The interrupted flags as the guest believes them to be.
std::uint64_t guest_view(const Vcpu& vcpu, bool masked) {
    auto flags = vcpu.regs.rflags & ~(rflags::interrupt | rflags::iopl);
    if (!masked)
        flags |= rflags::interrupt;
    if (vcpu.domain->vm_assist & (std::uint64_t{1} << VMASST_TYPE_architectural_iopl))
        flags |= std::uint64_t{vcpu.processor.iopl} << 12;
    return flags;
}

Frame build(const Vcpu& vcpu, const Bounce& target, bool from_kernel, bool masked) {
    const auto& regs = vcpu.regs;
    const auto selector = regs.cs & 0xffff & ~(from_kernel ? rpl_mask : 0);
    Frame frame;
    frame.push(regs.ss & 0xffff);
    frame.push(regs.rsp);
    frame.push(guest_view(vcpu, masked));
    frame.push(selector | std::uint64_t{masked} << 32);
    frame.push(regs.rip);
    if (target.error)
        frame.push(*target.error);
    if (target.data_selectors) {
        frame.push(vcpu.processor.selectors.gs);
        frame.push(vcpu.processor.selectors.fs);
        frame.push(vcpu.processor.selectors.es);
        frame.push(vcpu.processor.selectors.ds);
    }
    frame.push(regs.r11);
    frame.push(regs.rcx);
    return frame;
}

void enter_kernel(Registers& regs, std::uint64_t entry, std::uint64_t stack) {
    regs.rflags &=
        ~(rflags::align | rflags::vm86 | rflags::resume | rflags::nested | rflags::trap | rflags::iopl);
    regs.rflags |= rflags::interrupt | rflags::fixed;
    regs.rip = entry;
    regs.cs = FLAT_KERNEL_CS64;
    regs.rsp = stack;
    regs.ss = FLAT_KERNEL_SS64;
    regs.rcx = regs.rip;
    regs.r11 = regs.rflags;
}

} // namespace

bool events_masked(const Vcpu& vcpu) {
    return __atomic_load_n(&vcpu.info->evtchn_upcall_mask, __ATOMIC_RELAXED) != 0;
}

void mask_events(Vcpu& vcpu, bool masked) {
    __atomic_store_n(&vcpu.info->evtchn_upcall_mask, static_cast<std::uint8_t>(masked), __ATOMIC_RELAXED);
}

Result<> bounce(Vcpu& vcpu, const Bounce& target) {
    if (target.address == 0)
        return fail(Error::bad_address);
    const bool from_kernel = vcpu.processor.in_kernel;
    if (!from_kernel)
        toggle_guest_mode(vcpu);
    const auto top = (from_kernel ? vcpu.regs.rsp : vcpu.entries.kernel_sp) & ~std::uint64_t{15};
    const bool masked = events_masked(vcpu);
    const auto frame = build(vcpu, target, from_kernel, masked);
    const auto stack = top - frame.bytes();
    // copy_to_guest refuses the hypervisor's own range, wherever the guest's stack pointer points.
    if (!is_canonical(stack) || !machine::copy_to_guest(GuestAddress{stack}, frame.data(), frame.bytes()))
        return fail(Error::bad_address);
    if (target.mask_events)
        mask_events(vcpu, true);
    enter_kernel(vcpu.regs, target.address, stack);
    return {};
}

} // namespace bulkhead::hv
