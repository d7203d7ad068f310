#include "hv/pae/bounce.hpp"

#include "hv/arch/layout.hpp"
#include "hv/base/machine.hpp"
#include "hv/domain/domain.hpp"
#include "hv/mm/pae.hpp"
#include "hv/trap/handler_flags.hpp"

namespace bulkhead::hv {
namespace {

constexpr std::uint64_t low_half = 0xffffffff;

// A frame under construction, from the highest address down.
class Frame {
  public:
    void push(std::uint64_t word) { words_[--first_] = static_cast<std::uint32_t>(word); }
    [[nodiscard]] const std::uint32_t* data() const { return words_ + first_; }
    [[nodiscard]] std::size_t bytes() const { return (capacity - first_) * sizeof(std::uint32_t); }

  private:
    static constexpr std::size_t capacity = 10;
    std::uint32_t words_[capacity];
    std::size_t first_ = capacity;
};

Frame build(const Vcpu& vcpu, const Bounce& target, bool masked) {
    const auto& regs = vcpu.regs;
    Frame frame;
    if (!vcpu.processor.in_kernel) {
        frame.push(regs.ss & 0xffff);
        frame.push(regs.rsp);
    }
    frame.push(interrupted_flags(regs.rflags, masked, vcpu.domain->vm_assist, vcpu.processor.iopl));
    frame.push((regs.cs & 0xffff) | std::uint64_t{masked} << 16);
    frame.push(regs.rip);
    if (target.error)
        frame.push(*target.error);
    if (target.data_selectors) {
        frame.push(vcpu.processor.selectors.gs);
        frame.push(vcpu.processor.selectors.fs);
        frame.push(vcpu.processor.selectors.es);
        frame.push(vcpu.processor.selectors.ds);
    }
    return frame;
}

void enter_kernel(Registers& regs, std::uint64_t entry, std::uint64_t stack) {
    start_handler(regs.rflags);
    regs.rip = entry & low_half;
    regs.cs = layout::pae_kernel_cs;
    regs.rsp = stack;
    regs.ss = layout::pae_kernel_ss;
}

} // namespace

Result<> bounce_pae(Vcpu& vcpu, const Bounce& target) {
    if (target.address == 0)
        return fail(Error::bad_address);
    const bool masked = events_masked(vcpu);
    const auto frame = build(vcpu, target, masked);
    const auto top = (vcpu.processor.in_kernel ? vcpu.regs.rsp : vcpu.entries.kernel_sp) & low_half;
    const auto stack = (top - frame.bytes()) & low_half;
    if (stack >= pae::hole || !machine::copy_to_guest(GuestAddress{stack}, frame.data(), frame.bytes()))
        return fail(Error::bad_address);
    if (target.mask_events)
        mask_events(vcpu, true);
    vcpu.processor.in_kernel = true;
    enter_kernel(vcpu.regs, target.address, stack);
    return {};
}

} // namespace bulkhead::hv
