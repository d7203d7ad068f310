// Choosing what to do about an instruction that raised #GP or asked to be emulated.
#include "hv/base/machine.hpp"
#include "hv/dispatch/dispatch.hpp"
#include "hv/domain/domain.hpp"
#include "hv/trap/emulate_system.hpp"
#include "hv/trap/trap.hpp"

namespace bulkhead::hv {
namespace {

Emulation done(Vcpu& vcpu, const Code& code, const Instruction& instruction) {
    finish(vcpu, code, instruction.length);
    return Emulation::done;
}

// Blocks as SCHEDOP_block does, but leaves the event mask as it is, like HLT leaves IF.
Emulation halt(Vcpu& vcpu, const Code& code, const Instruction& instruction) {
    finish(vcpu, code, instruction.length);
    block_current();
    return Emulation::done;
}

Emulation invalidate_page(Vcpu& vcpu, const Code& code, const Instruction& instruction) {
    if (!has_flat_operand(instruction))
        return Emulation::not_ours;
    machine::flush_tlb_page(GuestAddress{effective_address(vcpu, instruction)});
    return done(vcpu, code, instruction);
}

// INVLPG, LMSW and the rest that share 0F 01. SWAPGS, the descriptor-table loads and VMCALL are nothing a PV
// guest may do.
Emulation system_group(Vcpu& vcpu, const Code& code, const Instruction& instruction) {
    if ((instruction.reg & 7) == 7 && instruction.memory)
        return invalidate_page(vcpu, code, instruction);
    return Emulation::not_ours;
}

// A trap, so the handler finds rip behind the instruction; a fault at the instruction if it is not permitted.
void software_interrupt(Vcpu& vcpu, unsigned vector, unsigned length) {
    const auto start = vcpu.regs.rip;
    vcpu.regs.rip += length;
    if (!deliver_software_interrupt(vcpu, vector)) {
        vcpu.regs.rip = start;
        deliver_exception(vcpu, vector::protection, refused_vector(vector));
    }
}

// What an application may have done for it, given the permission that io_permitted describes.
std::optional<Emulation> for_any_mode(Vcpu& vcpu, const Code& code, const Instruction& instruction) {
    switch (instruction.opcode) {
    case 0xfa: // cli, sti: accepted without effect, since POPF, which changes the flag back, does not trap
    case 0xfb:
        return io_permitted(vcpu) ? done(vcpu, code, instruction) : Emulation::fault;
    case 0x6c:
    case 0x6d:
    case 0x6e:
    case 0x6f:
    case 0xe4:
    case 0xe5:
    case 0xe6:
    case 0xe7:
    case 0xec:
    case 0xed:
    case 0xee:
    case 0xef:
        return emulate_port(vcpu, code, instruction);
    case 0xcd:
        software_interrupt(vcpu, static_cast<unsigned>(instruction.immediate) & 0xff, instruction.length);
        return Emulation::done;
    case 0x0fa2:
        answer_cpuid(vcpu);
        return done(vcpu, code, instruction);
    case 0x0f31:
    case 0x0f01f9:
        return emulate_model_register(vcpu, code, instruction);
    default:
        return {};
    }
}

Emulation for_kernel(Vcpu& vcpu, const Code& code, const Instruction& instruction) {
    switch (instruction.opcode) {
    case 0xf4:
        return halt(vcpu, code, instruction);
    case 0x0f08: // invd, wbinvd: caches are coherent and shared, so there is nothing to write back for a
                 // guest
    case 0x0f09:
        return done(vcpu, code, instruction);
    case 0x0f01:
        return (instruction.reg & 7) == 6 ? emulate_control_register(vcpu, code, instruction)
                                          : system_group(vcpu, code, instruction);
    case 0x0f06:
    case 0x0f20:
    case 0x0f21:
    case 0x0f22:
    case 0x0f23:
    case 0x0f01d1:
        return emulate_control_register(vcpu, code, instruction);
    case 0x0f30:
    case 0x0f32:
    case 0x0f33:
        return emulate_model_register(vcpu, code, instruction);
    default:
        if (instruction.opcode >= 0x0f01f0 && instruction.opcode <= 0x0f01f7) // lmsw with a register
            return emulate_control_register(vcpu, code, instruction);
        return Emulation::not_ours;
    }
}

} // namespace

bool io_permitted(const Vcpu& vcpu) {
    const bool architectural =
        (vcpu.domain->vm_assist & (std::uint64_t{1} << VMASST_TYPE_architectural_iopl)) != 0;
    const unsigned level = vcpu.processor.in_kernel ? (architectural ? 0 : 1) : 3;
    return level <= vcpu.processor.iopl;
}

Emulation emulate_privileged(Vcpu& vcpu) {
    const auto code = fetch(vcpu);
    if (!code)
        return Emulation::not_ours;
    const auto instruction = decode(code->view(), code->segment.long_mode);
    if (!instruction || instruction->lock)
        return Emulation::not_ours;
    if (const auto answer = for_any_mode(vcpu, *code, *instruction))
        return *answer;
    return vcpu.processor.in_kernel ? for_kernel(vcpu, *code, *instruction) : Emulation::not_ours;
}

// The vector is that of the instruction: QEMU's error code has twice its number.
bool emulate_int(Vcpu& vcpu) {
    constexpr std::uint64_t gate = 2, kind = 7, opcode = 0xcd; // of the error code; of INT
    std::uint64_t found;
    if ((vcpu.regs.error & kind) != gate)
        return false;
    const auto segment = code_segment(vcpu);
    if (!segment || !fetch_word(vcpu, *segment, found) || (found & 0xff) != opcode)
        return false;
    software_interrupt(vcpu, static_cast<unsigned>(found >> 8 & 0xff), 2);
    return true;
}

bool emulate_forced(Vcpu& vcpu) {
    constexpr unsigned length = 7; // of UD2, "xen", CPUID, which are compared as one word
    constexpr std::uint64_t wanted = 0xa20f'6e65'780b'0f, of_length = (std::uint64_t{1} << 8 * length) - 1;
    const auto segment = code_segment(vcpu);
    std::uint64_t found;
    if (!segment || !fetch_word(vcpu, *segment, found) || (found & of_length) != wanted)
        return false;
    answer_cpuid(vcpu);
    finish(vcpu, *segment, length);
    return true;
}

std::uint64_t software_trap_length(const Vcpu& vcpu) {
    const auto segment = code_segment(vcpu);
    std::uint8_t last = 0;
    const auto end = vcpu.regs.rip + (segment && !segment->long_mode ? segment->base : 0);
    const bool readable = machine::copy_from_guest(&last, GuestAddress{end - 1}, 1);
    return readable && (last == 0xcc || last == 0xce) ? 1 : 2;
}

} // namespace bulkhead::hv
