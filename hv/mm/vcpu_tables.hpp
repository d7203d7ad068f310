// The tables of a guest that the processor walks while a vCPU runs: page tables and descriptor tables. Each
// frame named here is a typed reference that the vCPU holds.
#pragma once

#include "abi/types.hpp"

namespace bulkhead::hv {

struct VcpuTables {
    // Frame numbers of the L4s, 0 for none. The user root is in force while the guest's applications run.
    // A 32-bit guest's kernel root, which is its user root too, is an L4 of the hypervisor's own, from the
    // domain's metadata. It lasts as long as the vCPU, and its slot 0 names `pae_root`, which the guest
    // chose.
    Mfn kernel_root, user_root;
    Mfn pae_root;
    Mfn gdt_frames[16];
    std::uint32_t gdt_entries; // 0: only the hypervisor's flat segments
    // The descriptor area in force: area 0 for 64-bit guests without a GDT of their own, else the vCPU's.
    std::uint32_t gdt_slot;
    Mfn ldt_frames[16];
    // Taken already by an interrupted set_gdt or set_ldt, for the call that continues it.
    Mfn taken_frames[16];
    std::uint64_t ldt_base;
    std::uint32_t ldt_entries;
};

} // namespace bulkhead::hv
