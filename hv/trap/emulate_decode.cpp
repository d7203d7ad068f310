// The decoder: prefixes, opcode, ModRM, SIB, displacement and immediate, bounded by the bytes it was given.
#include "hv/trap/emulate_decode.hpp"

namespace bulkhead::hv {
namespace {

// What follows an opcode.
enum Follow : std::uint8_t {
    nothing = 0,
    modrm = 1,
    immediate8 = 2,
    immediate_operand = 4, // 2 or 4 bytes, by operand size
    byte_operands = 8,
    unknown = 0x80,
};

constexpr std::uint8_t follow_one(std::uint8_t opcode) {
    switch (opcode) {
    case 0x08:
    case 0x20:
    case 0x30: // or, and, xor: register to memory
    case 0x86:
    case 0x88: // xchg, mov
        return modrm | byte_operands;
    case 0x09:
    case 0x21:
    case 0x31:
    case 0x87:
    case 0x89:
        return modrm;
    case 0x80:
    case 0xc6:
        return modrm | immediate8 | byte_operands;
    case 0x81:
    case 0xc7:
        return modrm | immediate_operand;
    case 0x83:
        return modrm | immediate8;
    case 0x6c:
    case 0x6e:
    case 0xec:
    case 0xee:
    case 0xaa: // insb, outsb, in, out, stosb
        return byte_operands;
    case 0xe4:
    case 0xe6:
        return immediate8 | byte_operands;
    case 0xe5:
    case 0xe7:
    case 0xcd: // in, out, int n
        return immediate8;
    case 0x6d:
    case 0x6f:
    case 0xed:
    case 0xef:
    case 0xab: // insl, outsl, in, out, stos
    case 0xf4:
    case 0xfa:
    case 0xfb: // hlt, cli, sti
    case 0xcb:
    case 0xcf: // lret, iret
        return nothing;
    default:
        return unknown;
    }
}

constexpr std::uint8_t follow_two(std::uint8_t opcode) {
    switch (opcode) {
    case 0xb0:
        return modrm | byte_operands; // cmpxchg
    case 0x01:
    case 0xb1:
    case 0xab:
    case 0xb3:
    case 0xc7: // group 7, cmpxchg, bts, btr, cmpxchg8b
    case 0x20:
    case 0x21:
    case 0x22:
    case 0x23: // mov to and from control and debug registers
        return modrm;
    case 0xba:
        return modrm | immediate8; // bt group
    case 0x06:
    case 0x08:
    case 0x09:
    case 0x30:
    case 0x31:
    case 0x32:
    case 0x33:
    case 0xa2:
        return nothing; // clts, invd, wbinvd, wrmsr, rdtsc, rdmsr, rdpmc, cpuid
    default:
        return unknown;
    }
}

class Decoder {
  public:
    Decoder(std::span<const std::uint8_t> code, bool long_mode)
        : code_{code.first(code.size() < longest_instruction ? code.size() : longest_instruction)},
          long_mode_{long_mode} {}

    std::optional<Instruction> run() {
        prefixes();
        const auto follow = opcode();
        if (follow & unknown)
            return {};
        sizes(follow);
        if (follow & modrm)
            operand();
        constant(follow);
        if (!whole_)
            return {};
        out_.length = static_cast<std::uint8_t>(at_);
        return out_;
    }

  private:
    std::uint8_t next() {
        if (at_ < code_.size())
            return code_[at_++];
        whole_ = false;
        return 0;
    }

    // Little-endian, sign-extended.
    std::int64_t number(unsigned bytes) {
        std::uint64_t value = 0;
        for (unsigned i = 0; i < bytes; ++i)
            value |= std::uint64_t{next()} << (8 * i);
        const unsigned unused = 64 - 8 * bytes;
        return bytes ? static_cast<std::int64_t>(value << unused) >> unused : 0;
    }

    void prefixes() {
        while (whole_ && at_ < code_.size() && prefix(code_[at_]))
            ++at_;
        // A REX prefix counts only right before the opcode.
        if (long_mode_ && at_ < code_.size() && (code_[at_] & 0xf0) == 0x40) {
            rex_ = code_[at_++];
            out_.rex = true;
        }
    }

    bool prefix(std::uint8_t byte) {
        switch (byte) {
        case 0x66:
            small_operand_ = true;
            return true;
        case 0x67:
            small_address_ = true;
            return true;
        case 0xf0:
            out_.lock = true;
            return true;
        case 0xf2:
            out_.repeat_not = true;
            return true;
        case 0xf3:
            out_.repeat = true;
            return true;
        case 0x26:
        case 0x2e:
        case 0x36:
        case 0x3e:
        case 0x64:
        case 0x65:
            out_.segment = byte;
            return true;
        default:
            return false;
        }
    }

    std::uint8_t opcode() {
        const auto first = next();
        out_.opcode = first;
        if (first != 0x0f)
            return follow_one(first);
        const auto second = next();
        out_.opcode = 0x0f00U | second;
        return follow_two(second);
    }

    void sizes(std::uint8_t follow) {
        if (follow & byte_operands)
            out_.operand_bytes = 1;
        else
            out_.operand_bytes = (rex_ & 8) ? 8 : small_operand_ ? 2 : 4;
        out_.address_bytes = long_mode_ ? (small_address_ ? 4 : 8) : (small_address_ ? 2 : 4);
    }

    void operand() {
        const auto byte = next();
        const unsigned mode = byte >> 6;
        out_.has_modrm = true;
        out_.reg = static_cast<std::uint8_t>(((byte >> 3) & 7) | ((rex_ & 4) << 1));
        out_.rm = static_cast<std::uint8_t>((byte & 7) | ((rex_ & 1) << 3));
        const bool registers_only = out_.opcode >= 0x0f20 && out_.opcode <= 0x0f23;
        if (mode == 3 || registers_only) {
            if (out_.opcode == 0x0f01)
                out_.opcode = 0x0f0100U | byte;
            return;
        }
        // Addresses of 16 bits have a ModRM encoding of their own, which no kernel uses.
        if (out_.address_bytes == 2)
            whole_ = false;
        memory(byte & 7, mode);
    }

    void memory(unsigned low, unsigned mode) {
        Instruction::Memory place;
        bool wide_displacement = mode == 2;
        if (low == 4)
            wide_displacement |= indexed(place, mode);
        else if (low == 5 && mode == 0) {
            place.rip_relative = long_mode_;
            wide_displacement = true;
        } else
            place.base = out_.rm;
        if (wide_displacement)
            place.displacement = static_cast<std::int32_t>(number(4));
        else if (mode == 1)
            place.displacement = static_cast<std::int32_t>(number(1));
        out_.memory = place;
    }

    // The SIB byte. Returns whether it asks for a displacement of 32 bits in place of a base.
    bool indexed(Instruction::Memory& place, unsigned mode) {
        const auto byte = next();
        const auto index = static_cast<std::uint8_t>(((byte >> 3) & 7) | ((rex_ & 2) << 2));
        if (index != 4) {
            place.index = index;
            place.scale = byte >> 6;
        }
        if ((byte & 7) == 5 && mode == 0)
            return true;
        place.base = static_cast<std::uint8_t>((byte & 7) | ((rex_ & 1) << 3));
        return false;
    }

    void constant(std::uint8_t follow) {
        if (follow & immediate8)
            out_.immediate = number(1);
        if (follow & immediate_operand)
            out_.immediate = number(out_.operand_bytes == 2 ? 2 : 4);
    }

    std::span<const std::uint8_t> code_;
    std::size_t at_ = 0;
    bool long_mode_;
    bool whole_ = true;
    bool small_operand_ = false, small_address_ = false;
    std::uint8_t rex_ = 0;
    Instruction out_;
};

} // namespace

std::optional<Instruction> decode(std::span<const std::uint8_t> code, bool long_mode) {
    return Decoder{code, long_mode}.run();
}

} // namespace bulkhead::hv
