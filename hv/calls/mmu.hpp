// mmu_update and update_va_mapping: a guest's changes to its page-table entries.
#pragma once

#include "hv/calls/hypercall.hpp"

extern "C" {
#include <xen/xen.h>
}

namespace bulkhead::hv {

// A batch of entry updates, or of machine-to-physical changes. Preemptible between and within requests.
struct MmuUpdate {
    static constexpr unsigned number = __HYPERVISOR_mmu_update;
    static constexpr const char* name = "mmu_update";
    GuestPtr<mmu_update_t> requests;
    std::uint32_t count;          // with the continuation's bit
    GuestPtr<std::uint32_t> done; // may be null
    std::uint32_t domains;        // low half: whose frames; high half: whose tables, plus one
    static MmuUpdate decode(const HypercallArguments& a) {
        return {GuestPtr<mmu_update_t>{a[0]}, static_cast<std::uint32_t>(a[1]), GuestPtr<std::uint32_t>{a[2]},
                static_cast<std::uint32_t>(a[3])};
    }
    HypercallResult run(HypercallContext& context) const;
};

// One leaf of the current address space, by virtual address.
struct UpdateVaMapping {
    static constexpr unsigned number = __HYPERVISOR_update_va_mapping;
    static constexpr const char* name = "update_va_mapping";
    GuestAddress at;
    std::uint64_t entry;
    std::uint64_t flags; // UVMF_*, or a pointer to a mask of vCPUs
    static UpdateVaMapping decode(const HypercallArguments& a) { return {GuestAddress{a[0]}, a[1], a[2]}; }
    HypercallResult run(HypercallContext& context) const;
};

// The same with a frame of another domain.
struct UpdateVaMappingOtherdomain {
    static constexpr unsigned number = __HYPERVISOR_update_va_mapping_otherdomain;
    static constexpr const char* name = "update_va_mapping_otherdomain";
    UpdateVaMapping mapping;
    std::uint16_t domain;
    static UpdateVaMappingOtherdomain decode(const HypercallArguments& a) {
        return {UpdateVaMapping::decode(a), static_cast<std::uint16_t>(a[3])};
    }
    HypercallResult run(HypercallContext& context) const;
};

// The same of a 32-bit guest: the entry comes in two registers.
struct PaeUpdateVaMapping {
    static constexpr unsigned number = __HYPERVISOR_update_va_mapping;
    static constexpr const char* name = "update_va_mapping";
    UpdateVaMapping mapping;
    static PaeUpdateVaMapping decode(const HypercallArguments& a) {
        return {{GuestAddress{a[0]}, a[1] | a[2] << 32, a[3]}};
    }
    HypercallResult run(HypercallContext& context) const;
};

struct PaeUpdateVaMappingOtherdomain {
    static constexpr unsigned number = __HYPERVISOR_update_va_mapping_otherdomain;
    static constexpr const char* name = "update_va_mapping_otherdomain";
    PaeUpdateVaMapping own;
    std::uint16_t domain;
    static PaeUpdateVaMappingOtherdomain decode(const HypercallArguments& a) {
        return {PaeUpdateVaMapping::decode(a), static_cast<std::uint16_t>(a[4])};
    }
    HypercallResult run(HypercallContext& context) const;
};

} // namespace bulkhead::hv
