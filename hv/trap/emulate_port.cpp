// Port I/O of guests. No port is ever given to a guest: with the privilege to use ports at all, reads give
// all ones and writes vanish, as from an empty bus (kernels probe ports early and rely on that); without it,
// the instruction is refused.
#include "hv/base/machine.hpp"
#include "hv/domain/domain.hpp"
#include "hv/trap/emulate_debug_registers.hpp"
#include "hv/trap/emulate_system.hpp"
#include "hv/trap/trap.hpp"

#include <algorithm>

namespace bulkhead::hv {
namespace {

constexpr std::uint64_t all_ones = ~std::uint64_t{0};
// Elements of a repeated INS or OUTS before the guest is resumed, at the instruction, for the rest; and
// before each look at the time.
constexpr std::uint64_t longest_run = 512, between_checks = 16;

bool is_string(std::uint32_t opcode) { return opcode >= 0x6c && opcode <= 0x6f; }
bool is_input(std::uint32_t opcode) { return is_string(opcode) ? opcode <= 0x6d : (opcode & 2) == 0; }

// Ports have no operands of 8 bytes.
unsigned port_bytes(const Instruction& instruction) {
    return std::min<unsigned>(instruction.operand_bytes, 4);
}

std::uint16_t port(const Vcpu& vcpu, const Instruction& instruction) {
    const bool immediate = (instruction.opcode & 8) == 0;
    return static_cast<std::uint16_t>(immediate ? instruction.immediate & 0xff : vcpu.regs.rdx);
}

bool is_timer_counter(std::uint16_t port) { return port >= 0x40 && port <= 0x42; }

std::uint64_t low(std::uint64_t value, unsigned bytes) {
    return bytes == 8 ? value : value & ((1ULL << (8 * bytes)) - 1);
}

void advance(Registers& regs, unsigned number, unsigned address_bytes, std::int64_t by) {
    const auto value = read_general(regs, number, address_bytes, true) + static_cast<std::uint64_t>(by);
    write_general(regs, number, address_bytes, true, low(value, address_bytes));
}

// One element. False if the destination of an INS can't be written: the guest sees the fault of its own
// address.
bool transfer(Vcpu& vcpu, const Instruction& instruction, unsigned bytes) {
    constexpr unsigned rsi = 6, rdi = 7;
    auto& regs = vcpu.regs;
    const auto step = regs.rflags & rflags::direction ? -std::int64_t{bytes} : std::int64_t{bytes};
    if (!is_input(instruction.opcode)) {
        advance(regs, rsi, instruction.address_bytes, step);
        return true;
    }
    const auto to = read_general(regs, rdi, instruction.address_bytes, true);
    if (!machine::copy_to_guest(GuestAddress{to}, &all_ones, bytes))
        return false;
    advance(regs, rdi, instruction.address_bytes, step);
    return true;
}

// After an access that hit a breakpoint; rip is where the guest goes on.
Emulation strike(Vcpu& vcpu, std::uint64_t hit) {
    vcpu.processor.debug[6] |= hit;
    deliver_exception(vcpu, vector::debug);
    return Emulation::done;
}

// After the last or only access. A single step reports what was hit as well.
Emulation finish_access(Vcpu& vcpu, const Code& code, const Instruction& instruction, std::uint64_t hit) {
    const bool stepped = (vcpu.regs.rflags & rflags::trap) != 0;
    vcpu.processor.debug[6] |= hit;
    finish(vcpu, code, instruction.length);
    return hit == 0 || stepped ? Emulation::done : strike(vcpu, hit);
}

Emulation string(Vcpu& vcpu, const Code& code, const Instruction& instruction) {
    constexpr unsigned rcx = 1;
    const auto bytes = port_bytes(instruction);
    const bool repeated = instruction.repeat || instruction.repeat_not;
    const auto wanted = repeated ? read_general(vcpu.regs, rcx, instruction.address_bytes, true) : 1;
    const auto hit = port_breakpoints_hit(vcpu, port(vcpu, instruction), bytes);
    for (std::uint64_t i = 0; i < wanted; ++i) {
        if (i == longest_run || (i != 0 && i % between_checks == 0 && machine::should_preempt()))
            return Emulation::done;
        if (!transfer(vcpu, instruction, bytes))
            return Emulation::fault;
        if (repeated)
            advance(vcpu.regs, rcx, instruction.address_bytes, -1);
        if (hit != 0 && i + 1 != wanted)
            return strike(vcpu, hit);
    }
    return finish_access(vcpu, code, instruction, wanted != 0 ? hit : 0);
}

} // namespace

Emulation emulate_port(Vcpu& vcpu, const Code& code, const Instruction& instruction) {
    if (!io_permitted(vcpu))
        return Emulation::fault;
    if (is_string(instruction.opcode))
        return string(vcpu, code, instruction);
    if (is_input(instruction.opcode)) {
        const auto bus = is_timer_counter(port(vcpu, instruction)) ? 0 : all_ones;
        write_general(vcpu.regs, 0, port_bytes(instruction), true, low(bus, port_bytes(instruction)));
    }
    const auto hit = port_breakpoints_hit(vcpu, port(vcpu, instruction), port_bytes(instruction));
    return finish_access(vcpu, code, instruction, hit);
}

} // namespace bulkhead::hv
