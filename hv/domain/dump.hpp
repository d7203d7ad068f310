// The state of a guest or the hypervisor after a failure, printed for a person to read. The dump only reads,
// trusts no pointer of a guest, and works in any state that it may be called in.
#pragma once

#include "hv/arch/registers.hpp"
#include "hv/trace/trace.hpp"
#include "hv/trap/last_exception.hpp"

namespace bulkhead::hv {

struct Vcpu;

// A crashed vCPU's dump, some of whose lines are still to be printed. All zero: there is none.
struct Dump {
    const Vcpu* vcpu;
    LastException exception;
    TraceMark trace;
    std::uint32_t next_line;
};

// Registers, address spaces, page tables behind rip, rsp and the last fault address, stack, code, and the
// trace records of this pCPU before the crash. A dump is half a millisecond's work, so that this only takes
// down what will be overwritten; the vCPU and its memory must stay as they are until the dump is printed.
void begin_dump(Dump& dump, const Vcpu& vcpu);
// Prints the next lines, as long as the section's budget lasts and the serial line keeps up. True once none
// is left.
[[nodiscard]] bool continue_dump(Dump& dump);
// The hypervisor's own registers at a fatal exception, for panic. `fault_address` is CR2.
void dump_hypervisor(const Registers& regs, std::uint64_t fault_address);

} // namespace bulkhead::hv
