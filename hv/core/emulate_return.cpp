// IRET and far RET from guest code to guest code, read from the guest's stack with the guest's rights. A
// selector is not looked at beyond its privilege: the processor does that when the guest is resumed.
#include "hv/arch/machine.hpp"
#include "hv/core/emulate.hpp"
#include "hv/core/emulate_code.hpp"
#include "hv/core/traps.hpp"
#include "hv/core/traps_address.hpp"

namespace bulkhead::hv {
namespace {

constexpr std::uint64_t user_level = 3;

// Pops values of one size; a failed read is remembered, and the registers stay as they were until the end.
class Stack {
  public:
    Stack(std::uint64_t pointer, unsigned bytes) : pointer_{pointer}, bytes_{bytes} {}
    std::uint64_t pop() {
        std::uint64_t value = 0;
        readable_ = readable_ && machine::copy_from_guest(&value, GuestAddress{pointer_}, bytes_);
        pointer_ += bytes_;
        return value;
    }
    [[nodiscard]] bool readable() const { return readable_; }
    [[nodiscard]] std::uint64_t pointer() const { return pointer_; }

  private:
    std::uint64_t pointer_;
    unsigned bytes_;
    bool readable_ = true;
};

bool refuse(Vcpu& vcpu, std::uint64_t selector) {
    deliver_exception(vcpu, vector::protection, selector & 0xfffc);
    return true;
}

bool interrupt_return(Vcpu& vcpu, Stack stack) {
    const auto rip = stack.pop(), cs = stack.pop(), flags = stack.pop(), rsp = stack.pop(), ss = stack.pop();
    if (!stack.readable())
        return false;
    if ((cs & user_level) != user_level)
        return refuse(vcpu, cs);
    auto& regs = vcpu.regs;
    regs.rip = rip;
    regs.cs = cs & 0xffff;
    regs.rflags = guest_flags(flags);
    regs.rsp = rsp;
    regs.ss = ss & 0xffff;
    return true;
}

bool far_return(Vcpu& vcpu, Stack stack) {
    const auto rip = stack.pop(), cs = stack.pop();
    if (!stack.readable())
        return false;
    if ((cs & user_level) != user_level)
        return refuse(vcpu, cs);
    vcpu.regs.rip = rip;
    vcpu.regs.cs = cs & 0xffff;
    vcpu.regs.rsp = stack.pointer();
    return true;
}

} // namespace

bool emulate_far_return(Vcpu& vcpu) {
    const auto code = fetch(vcpu);
    if (!code || !code->segment.long_mode)
        return false;
    const auto instruction = decode(code->view(), true);
    if (!instruction || instruction->lock || instruction->operand_bytes < 4)
        return false;
    const Stack stack{vcpu.regs.rsp, instruction->operand_bytes};
    constexpr std::uint32_t lret = 0xcb, iret = 0xcf;
    bool done = false;
    if (instruction->opcode == iret)
        done = interrupt_return(vcpu, stack);
    else if (instruction->opcode == lret)
        done = far_return(vcpu, stack);
    if (done && !is_canonical(vcpu.regs.rip))
        deliver_failsafe(vcpu);
    return done;
}

} // namespace bulkhead::hv
