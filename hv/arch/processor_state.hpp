// The state of a vCPU that lives in the processor while it runs, apart from Registers and the address space:
// segments, debug registers, floating point, and what the guest believes of its control registers.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bulkhead::hv {

struct alignas(8) Selectors {
    std::uint16_t ds, es, fs, gs;
};

struct ProcessorState {
    bool in_kernel;     // the guest's kernel runs, not its applications
    std::uint8_t iopl;  // virtual I/O privilege level
    bool task_switched; // the guest's virtual CR0.TS
    bool pae;           // of a 32-bit guest
    Selectors selectors;
    std::uint64_t fs_base, gs_base_kernel, gs_base_user; // the active gs base is the kernel's while in_kernel
    std::uint64_t debug[8];
    std::uint64_t cr4; // what the guest believes

    std::byte* fpu_state; // XSAVE area
};

} // namespace bulkhead::hv
