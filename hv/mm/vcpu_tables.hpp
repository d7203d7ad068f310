// The tables of a guest that the processor walks while a vCPU runs: page tables and descriptor tables. Each
// frame named here is a typed reference that the vCPU holds.
#pragma once

#include "abi/types.hpp"

namespace bulkhead::hv {

struct VcpuTables {
    // Frame numbers of the L4s, 0 for none. The user root is in force while the guest's applications run.
    Mfn kernel_root, user_root;
    Mfn gdt_frames[16];
    std::uint32_t gdt_entries; // 0: only the hypervisor's flat segments
    Mfn ldt_frames[16];
    // Taken already by an interrupted set_gdt or set_ldt, for the call that continues it.
    Mfn taken_frames[16];
    std::uint64_t ldt_base;
    std::uint32_t ldt_entries;
};

} // namespace bulkhead::hv
