// Stores of a guest's kernel into its own page tables, which are mapped read-only. The instruction is carried
// out on a copy of the eight-byte entry, and the new entry is handed to validation; the table is never
// written here.
#include "hv/base/machine.hpp"
#include "hv/domain/domain.hpp"
#include "hv/mm/paging.hpp"
#include "hv/trap/emulate.hpp"
#include "hv/trap/emulate_code.hpp"
#include "hv/trap/trap.hpp"

namespace bulkhead::hv {
namespace {

constexpr std::uint64_t carry = 1, parity = 1 << 2, adjust = 1 << 4, zero = 1 << 6, sign = 1 << 7,
                        overflow = 1 << 11;

std::uint64_t mask_of(unsigned bytes) {
    return bytes == 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << (8 * bytes)) - 1;
}

// What the instruction does to the operand, and to registers and flags if the store goes through.
struct Effect {
    std::uint64_t stored;
    Registers regs;
};

void set_flags(Registers& regs, std::uint64_t set) {
    regs.rflags = (regs.rflags & ~(carry | parity | adjust | zero | sign | overflow)) | set;
}

std::uint64_t result_flags(std::uint64_t value, unsigned bytes) {
    std::uint64_t flags = 0;
    if ((value & mask_of(bytes)) == 0)
        flags |= zero;
    if (value >> (8 * bytes - 1) & 1)
        flags |= sign;
    if ((__builtin_popcountll(value & 0xff) & 1) == 0)
        flags |= parity;
    return flags;
}

std::uint64_t subtraction_flags(std::uint64_t a, std::uint64_t b, unsigned bytes) {
    const auto difference = (a - b) & mask_of(bytes);
    auto flags = result_flags(difference, bytes);
    if (a < b)
        flags |= carry;
    if ((a ^ b ^ difference) & 0x10)
        flags |= adjust;
    if (((a ^ b) & (a ^ difference)) >> (8 * bytes - 1) & 1)
        flags |= overflow;
    return flags;
}

Effect logical(const Registers& regs, unsigned operation, std::uint64_t old, std::uint64_t other,
               unsigned bytes) {
    constexpr unsigned op_or = 1, op_and = 4;
    const auto value = (operation == op_or    ? old | other
                        : operation == op_and ? old & other
                                              : old ^ other) &
                       mask_of(bytes);
    Effect effect{value, regs};
    set_flags(effect.regs, result_flags(value, bytes));
    return effect;
}

Effect exchange_if_equal(const Registers& regs, const Instruction& instruction, std::uint64_t old) {
    const unsigned bytes = instruction.operand_bytes;
    Effect effect{old, regs};
    const auto expected = read_general(regs, 0, bytes, true);
    set_flags(effect.regs, subtraction_flags(expected, old, bytes));
    if (expected == old)
        effect.stored = read_general(regs, instruction.reg, bytes, instruction.rex);
    else
        write_general(effect.regs, 0, bytes, true, old);
    return effect;
}

// BTS and BTR within the operand itself. A register's bit number may reach beyond it, which page tables have
// no use for.
std::optional<Effect> change_bit(const Registers& regs, std::uint64_t old, std::uint64_t bit, unsigned bytes,
                                 bool set) {
    if (bit >= 8 * bytes)
        return {};
    const auto mask = std::uint64_t{1} << bit;
    Effect effect{set ? old | mask : old & ~mask, regs};
    effect.regs.rflags = (regs.rflags & ~carry) | (old & mask ? carry : 0);
    return effect;
}

std::optional<Effect> group(const Registers& regs, const Instruction& instruction, std::uint64_t old) {
    const unsigned operation = instruction.reg & 7, bytes = instruction.operand_bytes;
    const auto constant = static_cast<std::uint64_t>(instruction.immediate) & mask_of(bytes);
    switch (instruction.opcode) {
    case 0x80:
    case 0x81:
    case 0x83:
        if (operation == 1 || operation == 4 || operation == 6)
            return logical(regs, operation, old, constant, bytes);
        return {};
    case 0xc6:
    case 0xc7:
        return operation == 0 ? std::optional{Effect{constant, regs}} : std::nullopt;
    case 0x0fba:
        if (operation == 5 || operation == 6)
            return change_bit(regs, old, constant % (8 * bytes), bytes, operation == 5);
        return {};
    default:
        return {};
    }
}

// nullopt for an instruction that is not a store known here.
std::optional<Effect> carry_out(const Registers& regs, const Instruction& instruction, std::uint64_t old) {
    const unsigned bytes = instruction.operand_bytes;
    const auto source = read_general(regs, instruction.reg, bytes, instruction.rex);
    switch (instruction.opcode) {
    case 0x88:
    case 0x89:
        return Effect{source, regs};
    case 0x86:
    case 0x87: {
        Effect effect{source, regs};
        write_general(effect.regs, instruction.reg, bytes, instruction.rex, old);
        return effect;
    }
    case 0x08:
    case 0x09:
        return logical(regs, 1, old, source, bytes);
    case 0x20:
    case 0x21:
        return logical(regs, 4, old, source, bytes);
    case 0x30:
    case 0x31:
        return logical(regs, 6, old, source, bytes);
    case 0x0fb0:
    case 0x0fb1:
        return exchange_if_equal(regs, instruction, old);
    case 0x0fab:
        return change_bit(regs, old, source, bytes, true);
    case 0x0fb3:
        return change_bit(regs, old, source, bytes, false);
    default:
        return group(regs, instruction, old);
    }
}

// STOS without a repeat prefix: the operand is at rdi, whatever segment.
std::optional<Effect> store_string(const Registers& regs, const Instruction& instruction) {
    if (instruction.repeat || instruction.repeat_not)
        return {};
    constexpr unsigned rdi = 7;
    const unsigned bytes = instruction.operand_bytes;
    Effect effect{read_general(regs, 0, bytes, true), regs};
    const auto to = read_general(regs, rdi, instruction.address_bytes, true);
    write_general(effect.regs, rdi, instruction.address_bytes, true,
                  regs.rflags & rflags::direction ? to - bytes : to + bytes);
    return effect;
}

bool is_string(const Instruction& instruction) {
    return instruction.opcode == 0xaa || instruction.opcode == 0xab;
}

} // namespace

bool emulate_page_table_write(Vcpu& vcpu, std::uint64_t fault_address) {
    const auto code = fetch(vcpu);
    if (!code)
        return false;
    const auto instruction = decode(code->view(), code->segment.long_mode);
    if (!instruction || !(has_flat_operand(*instruction) || is_string(*instruction)))
        return false;
    const unsigned bytes = instruction->operand_bytes;
    const auto at = is_string(*instruction) ? vcpu.regs.rdi : effective_address(vcpu, *instruction);
    if (at != fault_address || at % bytes != 0)
        return false;
    std::uint64_t old = 0;
    if (!machine::copy_from_guest(&old, GuestAddress{at}, bytes))
        return false;
    const auto effect = is_string(*instruction) ? store_string(vcpu.regs, *instruction)
                                                : carry_out(vcpu.regs, *instruction, old);
    if (!effect)
        return false;
    const auto written = emulate_pte_write(vcpu, GuestAddress{at}, effect->stored, bytes, old);
    if (!written && written.error() == Error::restart)
        return true; // nothing changed: the guest runs the instruction again
    if (!written || !*written)
        return false;
    vcpu.regs = effect->regs;
    finish(vcpu, *code, instruction->length);
    return true;
}

} // namespace bulkhead::hv
