// The guest's side of an instruction: the code segment it runs in, its bytes, its registers by number.
#pragma once

#include "hv/arch/registers.hpp"
#include "hv/trap/emulate_decode.hpp"

namespace bulkhead::hv {

struct Vcpu;

struct CodeSegment {
    bool long_mode;
    std::uint32_t base; // added to rip outside long mode
};
// nullopt if the selector leads to no descriptor of 64-bit or 32-bit code.
[[nodiscard]] std::optional<CodeSegment> code_segment(const Vcpu& vcpu);

struct Code {
    std::array<std::uint8_t, longest_instruction + 1> bytes; // whole words, which are copied at once
    std::uint8_t count; // readable from the start, at most longest_instruction
    CodeSegment segment;
    [[nodiscard]] std::span<const std::uint8_t> view() const { return {bytes.data(), count}; }
};
// The bytes at rip, copied once.
[[nodiscard]] std::optional<Code> fetch(const Vcpu& vcpu);
// The first 8 of them as one word, for an instruction that is known by them; what lies on a second page that
// cannot be read is zero. False if none can be read.
[[nodiscard]] bool fetch_word(const Vcpu& vcpu, const CodeSegment& segment, std::uint64_t& word);

// Register by its number in the encoding (0 rax, 1 rcx, … 4 rsp, … 15 r15).
[[nodiscard]] std::uint64_t& general(Registers& regs, unsigned number);
[[nodiscard]] std::uint64_t general(const Registers& regs, unsigned number);
// The low `bytes` of a register; byte registers follow the rule for REX.
[[nodiscard]] std::uint64_t read_general(const Registers& regs, unsigned number, unsigned bytes, bool rex);
// Writes as the processor does: 4 bytes clear the upper half, 1 and 2 keep the rest.
void write_general(Registers& regs, unsigned number, unsigned bytes, bool rex, std::uint64_t value);

// Whether there is a memory operand in a flat segment: not addressed through fs or gs, whose bases the
// processor holds.
[[nodiscard]] bool has_flat_operand(const Instruction& instruction);
// Where that operand lies.
[[nodiscard]] std::uint64_t effective_address(const Vcpu& vcpu, const Instruction& instruction);

// Moves rip behind the instruction, ends what RF suppressed, and raises the guest's single-step trap if it
// asked for one.
void finish(Vcpu& vcpu, const CodeSegment& segment, unsigned length);
inline void finish(Vcpu& vcpu, const Code& code, unsigned length) { finish(vcpu, code.segment, length); }

} // namespace bulkhead::hv
