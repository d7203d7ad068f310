// The groups of privileged instructions; emulate_privileged.cpp chooses among them. Each answers as
// emulate.hpp says, and moves rip only by finish().
#pragma once

#include "hv/trap/emulate.hpp"
#include "hv/trap/emulate_code.hpp"

namespace bulkhead::hv {

// True if the mode the guest is in may use IN, OUT, CLI and STI: its level is at most Vcpu::iopl. The kernel
// counts as level 1, or 0 once it asked for architectural IOPL; applications as level 3.
[[nodiscard]] bool io_permitted(const Vcpu& vcpu);

[[nodiscard]] Emulation emulate_port(Vcpu& vcpu, const Code& code, const Instruction& instruction);
[[nodiscard]] Emulation emulate_control_register(Vcpu& vcpu, const Code& code,
                                                 const Instruction& instruction);
[[nodiscard]] Emulation emulate_model_register(Vcpu& vcpu, const Code& code, const Instruction& instruction);
// Answers CPUID with the leaf in eax and ecx; rip is the caller's business.
void answer_cpuid(Vcpu& vcpu);

} // namespace bulkhead::hv
