// IRET and far RET from guest code to guest code, read from the guest's stack with the guest's rights. A
// selector is not looked at beyond its privilege: the processor does that when the guest is resumed.
#include "hv/arch/machine.hpp"
#include "hv/core/emulate.hpp"
#include "hv/core/emulate_code.hpp"
#include "hv/core/traps.hpp"
#include "hv/core/traps_address.hpp"

#include <array>
#include <cstring>

namespace bulkhead::hv {
namespace {

constexpr std::uint64_t user_level = 3;

// The top `count` values of the guest's stack, each of `bytes`; nullopt if they can't be read.
template<std::size_t count>
std::optional<std::array<std::uint64_t, count>> top_of_stack(const Vcpu& vcpu, unsigned bytes) {
    std::array<std::byte, count * 8> raw;
    if (!machine::copy_from_guest(raw.data(), GuestAddress{vcpu.regs.rsp}, count * bytes))
        return {};
    std::array<std::uint64_t, count> values{};
    for (std::size_t i = 0; i < count; ++i)
        std::memcpy(&values[i], raw.data() + i * bytes, bytes);
    return values;
}

bool refuse(Vcpu& vcpu, std::uint64_t selector) {
    deliver_exception(vcpu, vector::protection, selector & 0xfffc);
    return true;
}

bool interrupt_return(Vcpu& vcpu, unsigned bytes) {
    const auto frame = top_of_stack<5>(vcpu, bytes);
    if (!frame)
        return false;
    const auto [rip, cs, flags, rsp, ss] = *frame;
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

bool far_return(Vcpu& vcpu, unsigned bytes) {
    const auto frame = top_of_stack<2>(vcpu, bytes);
    if (!frame)
        return false;
    const auto [rip, cs] = *frame;
    if ((cs & user_level) != user_level)
        return refuse(vcpu, cs);
    vcpu.regs.rip = rip;
    vcpu.regs.cs = cs & 0xffff;
    vcpu.regs.rsp += 2 * bytes;
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
    constexpr std::uint32_t lret = 0xcb, iret = 0xcf;
    bool done = false;
    if (instruction->opcode == iret)
        done = interrupt_return(vcpu, instruction->operand_bytes);
    else if (instruction->opcode == lret)
        done = far_return(vcpu, instruction->operand_bytes);
    if (done && !is_canonical(vcpu.regs.rip))
        deliver_failsafe(vcpu);
    return done;
}

} // namespace bulkhead::hv
