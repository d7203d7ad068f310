// Control, debug and model-specific registers, and CPUID, as a guest's kernel sees them.
#include "hv/trap/emulate_system.hpp"

#include "hv/base/machine.hpp"
#include "hv/domain/domain.hpp"
#include "hv/mm/paging.hpp"
#include "hv/pae/trap.hpp"
#include "hv/trap/cpu_policy.hpp"
#include "hv/trap/emulate_debug_registers.hpp"
#include "hv/trap/seams.hpp"
#include "hv/trap/trap.hpp"

namespace bulkhead::hv {
namespace {

constexpr std::uint64_t task_switched = 1 << 3;
// PG, AM, WP, NE, ET, MP, PE: what a kernel in long mode finds. Only TS is the guest's to change.
constexpr std::uint64_t cr0_fixed = 0x80050033;

Emulation finished(Vcpu& vcpu, const Code& code, const Instruction& instruction) {
    finish(vcpu, code, instruction.length);
    return Emulation::done;
}

std::uint64_t read_cr0(const Vcpu& vcpu) {
    return cr0_fixed | (vcpu.processor.task_switched ? task_switched : 0);
}

bool write_cr0(Vcpu& vcpu, std::uint64_t value) {
    if ((value & ~task_switched) != cr0_fixed)
        return false;
    vcpu.processor.task_switched = (value & task_switched) != 0;
    apply_task_switched(vcpu);
    return true;
}

// A 32-bit guest folds the bits of a frame above 4 GiB into the low ones.
Mfn frame_in_pae_cr3(std::uint64_t value) { return Mfn{(value & 0xffffffff) >> 12 | (value & 0xfff) << 20}; }
std::uint64_t pae_cr3_of(Mfn frame) { return (frame.value() << 12 | frame.value() >> 20) & 0xffffffff; }

// MOV to CR3: `value` names a frame like CR3 itself does. Unfinished work runs the instruction again, which
// continues it.
Emulation write_cr3(Vcpu& vcpu, std::uint64_t value, const Code& code, const Instruction& instruction) {
    const LockGuard tables{vcpu.domain->memory.tables};
    auto outcome = settle(*vcpu.domain);
    if (outcome)
        outcome = vcpu.domain->pae ? set_pae_root(vcpu, frame_in_pae_cr3(value), true)
                                   : set_kernel_root(vcpu, Mfn{value >> page_shift}, true);
    if (outcome)
        outcome = settle(*vcpu.domain);
    if (outcome)
        return finished(vcpu, code, instruction);
    return outcome.error() == Error::restart ? Emulation::done : Emulation::fault;
}

std::optional<std::uint64_t> read_control(const Vcpu& vcpu, unsigned number) {
    switch (number) {
    case 0:
        return read_cr0(vcpu);
    case 2:
        return vcpu.domain->pae ? pae_fault_address(vcpu) : vcpu.info->arch.cr2;
    case 3:
        if (vcpu.domain->pae)
            return pae_cr3_of(vcpu.tables.pae_root);
        return vcpu.tables.kernel_root.value() << page_shift;
    case 4:
        return accepted_cr4(vcpu.processor.cr4);
    default:
        return {};
    }
}

Emulation write_control(Vcpu& vcpu, std::uint64_t value, const Code& code, const Instruction& instruction) {
    switch (instruction.reg) {
    case 0:
        if (!write_cr0(vcpu, value))
            return Emulation::fault;
        break;
    case 2:
        if (vcpu.domain->pae)
            pae_fault_address(vcpu) = static_cast<std::uint32_t>(value);
        else
            vcpu.info->arch.cr2 = value;
        break;
    case 3:
        return write_cr3(vcpu, value, code, instruction);
    case 4:
        vcpu.processor.cr4 = accepted_cr4(value);
        break;
    default:
        return Emulation::fault;
    }
    return finished(vcpu, code, instruction);
}

Emulation move_control(Vcpu& vcpu, const Code& code, const Instruction& instruction) {
    auto& target = general(vcpu.regs, instruction.rm);
    if (instruction.opcode == 0x0f22)
        return write_control(vcpu, target, code, instruction);
    const auto value = read_control(vcpu, instruction.reg);
    if (!value)
        return Emulation::fault;
    target = *value;
    return finished(vcpu, code, instruction);
}

Emulation move_debug(Vcpu& vcpu, const Code& code, const Instruction& instruction) {
    auto& source = general(vcpu.regs, instruction.rm);
    if (instruction.opcode == 0x0f23) {
        if (!set_debug_register(vcpu, instruction.reg, source))
            return Emulation::fault;
    } else {
        const auto value = get_debug_register(vcpu, instruction.reg);
        if (!value)
            return Emulation::fault;
        source = *value;
    }
    return finished(vcpu, code, instruction);
}

// LMSW changes the low four bits and cannot clear PE.
Emulation load_machine_status(Vcpu& vcpu, const Code& code, const Instruction& instruction) {
    std::uint16_t status = 0;
    if (!instruction.memory)
        status = static_cast<std::uint16_t>(general(vcpu.regs, instruction.opcode & 7));
    else if (!has_flat_operand(instruction) ||
             !machine::copy_from_guest(&status, GuestAddress{effective_address(vcpu, instruction)},
                                       sizeof status))
        return Emulation::fault;
    if (!write_cr0(vcpu, (read_cr0(vcpu) & ~std::uint64_t{0xe}) | (status & 0xfU) | 1))
        return Emulation::fault;
    return finished(vcpu, code, instruction);
}

// The state components that contexts keep are all on, always; a guest may confirm that, not change it.
Emulation set_extended_control(Vcpu& vcpu, const Code& code, const Instruction& instruction) {
    const auto value = (vcpu.regs.rdx << 32) | (vcpu.regs.rax & 0xffffffff);
    const bool index_zero = (vcpu.regs.rcx & 0xffffffff) == 0;
    if (!index_zero || extended_state() == 0 || value != extended_state())
        return Emulation::fault;
    return finished(vcpu, code, instruction);
}

void answer(Registers& regs, std::uint64_t value) {
    regs.rax = value & 0xffffffff;
    regs.rdx = value >> 32;
}

// A kernel that has no #GP handler yet cannot be told that an MSR does not exist; the ABI promises that the
// kernel survives a read.
Emulation read_model(Vcpu& vcpu, const Code& code, const Instruction& instruction) {
    auto value = read_msr(vcpu, static_cast<std::uint32_t>(vcpu.regs.rcx));
    if (!value && has_trap_handler(vcpu, vector::protection))
        return Emulation::fault;
    answer(vcpu.regs, value.value_or(0));
    return finished(vcpu, code, instruction);
}

Emulation write_model(Vcpu& vcpu, const Code& code, const Instruction& instruction) {
    const auto value = (vcpu.regs.rdx << 32) | (vcpu.regs.rax & 0xffffffff);
    if (!write_msr(vcpu, static_cast<std::uint32_t>(vcpu.regs.rcx), value))
        return Emulation::fault;
    return finished(vcpu, code, instruction);
}

} // namespace

Emulation emulate_control_register(Vcpu& vcpu, const Code& code, const Instruction& instruction) {
    switch (instruction.opcode) {
    case 0x0f06: // clts
        vcpu.processor.task_switched = false;
        apply_task_switched(vcpu);
        return finished(vcpu, code, instruction);
    case 0x0f20:
    case 0x0f22:
        return move_control(vcpu, code, instruction);
    case 0x0f21:
    case 0x0f23:
        return move_debug(vcpu, code, instruction);
    case 0x0f01d1:
        return set_extended_control(vcpu, code, instruction);
    default:
        return load_machine_status(vcpu, code, instruction);
    }
}

Emulation emulate_model_register(Vcpu& vcpu, const Code& code, const Instruction& instruction) {
    switch (instruction.opcode) {
    case 0x0f30:
        return write_model(vcpu, code, instruction);
    case 0x0f31: // rdtsc
        answer(vcpu.regs, guest_tsc(vcpu));
        return finished(vcpu, code, instruction);
    case 0x0f32:
        return read_model(vcpu, code, instruction);
    default: // RDPMC and RDTSCP: neither counters nor TSC_AUX are offered
        return Emulation::fault;
    }
}

void answer_cpuid(Vcpu& vcpu) {
    auto& regs = vcpu.regs;
    const auto leaf =
        guest_cpuid(vcpu, static_cast<std::uint32_t>(regs.rax), static_cast<std::uint32_t>(regs.rcx));
    regs.rax = leaf.a;
    regs.rbx = leaf.b;
    regs.rcx = leaf.c;
    regs.rdx = leaf.d;
}

} // namespace bulkhead::hv
