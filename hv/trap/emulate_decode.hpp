// A decoder for the few instructions that the hypervisor carries out for guests: privileged ones, port I/O,
// software interrupts, far returns, and the stores by which kernels update page-table entries. Knows nothing
// of a guest's state or memory.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

namespace bulkhead::hv {

inline constexpr std::size_t longest_instruction = 15;

// Opcodes are numbered as in the manuals: 0xNN of one byte, 0x0fNN of two, and 0x0f01NN for those whose whole
// ModRM byte belongs to the opcode.
struct Instruction {
    // An address made of registers, as the instruction names it. Register numbers are those of the encoding,
    // 0 to 15.
    struct Memory {
        static constexpr std::uint8_t none = 0xff;
        std::uint8_t base = none, index = none, scale = 0; // index << scale
        bool rip_relative = false;
        std::int32_t displacement = 0;
    };

    std::uint32_t opcode = 0;
    std::uint8_t length = 0;
    std::uint8_t operand_bytes = 4; // of operands that the opcode doesn't fix
    std::uint8_t address_bytes = 8;
    bool repeat = false, repeat_not = false, lock = false; // F3, F2, F0
    bool rex = false;         // present: byte registers 4 to 7 are spl, bpl, sil, dil
    std::uint8_t segment = 0; // override prefix, 0 if none
    bool has_modrm = false;
    std::uint8_t reg = 0; // ModRM.reg with its extension
    std::uint8_t rm = 0;  // register operand, if not in memory
    std::optional<Memory> memory{};
    std::int64_t immediate = 0; // sign-extended from its encoded width
};

// nullopt if `code` does not begin with a whole instruction that this decoder knows. Reads nothing beyond
// `code` and at most longest_instruction bytes of it.
[[nodiscard]] std::optional<Instruction> decode(std::span<const std::uint8_t> code, bool long_mode);

} // namespace bulkhead::hv
