// IRET and far RET from guest code to guest code, read from the guest's stack with the guest's rights. A
// selector is not looked at beyond its privilege: the processor does that when the guest is resumed.
#include "hv/base/machine.hpp"
#include "hv/domain/domain.hpp"
#include "hv/trap/address.hpp"
#include "hv/trap/emulate.hpp"
#include "hv/trap/emulate_code.hpp"
#include "hv/trap/trap.hpp"

#include <array>
#include <cstring>

namespace bulkhead::hv {
namespace {

constexpr std::uint64_t user_level = 3;

struct Mode {
    bool wide;      // 64-bit code; else 32-bit code, whose stack segment is flat wherever kernels set one up
    unsigned bytes; // of a value on the stack
    [[nodiscard]] std::uint64_t pointer(std::uint64_t rsp) const { return wide ? rsp : rsp & 0xffffffff; }
};

// The top `count` values of the guest's stack; nullopt if they can't be read.
std::optional<std::array<std::uint64_t, 5>> top_of_stack(const Vcpu& vcpu, Mode mode, unsigned count) {
    std::array<std::byte, 5 * 8> raw;
    const auto bytes = mode.bytes;
    if (!machine::copy_from_guest(raw.data(), GuestAddress{mode.pointer(vcpu.regs.rsp)}, count * bytes))
        return {};
    std::array<std::uint64_t, 5> values{};
    for (unsigned i = 0; i < count; ++i)
        std::memcpy(&values[i], raw.data() + i * bytes, bytes);
    return values;
}

bool refuse(Vcpu& vcpu, std::uint64_t selector) {
    deliver_exception(vcpu, vector::protection, selector & 0xfffc);
    return true;
}

// 64-bit code pops its stack as well.
bool interrupt_return(Vcpu& vcpu, Mode mode) {
    const auto frame = top_of_stack(vcpu, mode, mode.wide ? 5 : 3);
    if (!frame)
        return false;
    const auto [rip, cs, flags, rsp, ss] = *frame;
    if ((cs & user_level) != user_level)
        return refuse(vcpu, cs);
    auto& regs = vcpu.regs;
    regs.rip = rip;
    regs.cs = cs & 0xffff;
    regs.rflags = guest_flags(flags);
    regs.rsp = mode.wide ? rsp : mode.pointer(regs.rsp + 3 * mode.bytes);
    if (mode.wide)
        regs.ss = ss & 0xffff;
    return true;
}

bool far_return(Vcpu& vcpu, Mode mode) {
    const auto frame = top_of_stack(vcpu, mode, 2);
    if (!frame)
        return false;
    const auto rip = (*frame)[0], cs = (*frame)[1];
    if ((cs & user_level) != user_level)
        return refuse(vcpu, cs);
    vcpu.regs.rip = rip;
    vcpu.regs.cs = cs & 0xffff;
    vcpu.regs.rsp = mode.pointer(vcpu.regs.rsp + 2 * mode.bytes);
    return true;
}

} // namespace

bool emulate_far_return(Vcpu& vcpu) {
    const auto code = fetch(vcpu);
    if (!code)
        return false;
    const bool wide = code->segment.long_mode;
    const auto instruction = decode(code->view(), wide);
    if (!instruction || instruction->lock || instruction->operand_bytes < 4)
        return false;
    const Mode mode{wide, instruction->operand_bytes};
    constexpr std::uint32_t lret = 0xcb, iret = 0xcf;
    bool done = false;
    if (instruction->opcode == iret)
        done = interrupt_return(vcpu, mode);
    else if (instruction->opcode == lret)
        done = far_return(vcpu, mode);
    if (done && !is_canonical(vcpu.regs.rip))
        deliver_failsafe(vcpu);
    return done;
}

} // namespace bulkhead::hv
