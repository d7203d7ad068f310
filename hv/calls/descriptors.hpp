// set_gdt and update_descriptor: segments of a guest's own.
#pragma once

#include "hv/calls/hypercall.hpp"

extern "C" {
#include <xen/xen.h>
}

namespace bulkhead::hv {

struct SetGdt {
    static constexpr unsigned number = __HYPERVISOR_set_gdt;
    static constexpr const char* name = "set_gdt";
    GuestPtr<const std::uint64_t> frames;
    std::uint32_t entries; // 0: none of its own any more
    static SetGdt decode(const HypercallArguments& a) {
        return {GuestPtr<const std::uint64_t>{a[0]}, static_cast<std::uint32_t>(a[1])};
    }
    HypercallResult run(HypercallContext& context) const;
};

struct UpdateDescriptor {
    static constexpr unsigned number = __HYPERVISOR_update_descriptor;
    static constexpr const char* name = "update_descriptor";
    std::uint64_t at; // machine address
    std::uint64_t descriptor;
    static UpdateDescriptor decode(const HypercallArguments& a) { return {a[0], a[1]}; }
    HypercallResult run(HypercallContext& context) const;
};

// The same of a 32-bit guest. Its kernel's segments are those of ring 1.
struct PaeSetGdt {
    static constexpr unsigned number = __HYPERVISOR_set_gdt;
    static constexpr const char* name = "set_gdt";
    GuestPtr<const std::uint32_t> frames;
    std::uint32_t entries;
    static PaeSetGdt decode(const HypercallArguments& a) {
        return {GuestPtr<const std::uint32_t>{a[0]}, static_cast<std::uint32_t>(a[1])};
    }
    HypercallResult run(HypercallContext& context) const;
};

struct PaeUpdateDescriptor {
    static constexpr unsigned number = __HYPERVISOR_update_descriptor;
    static constexpr const char* name = "update_descriptor";
    std::uint64_t at; // machine address
    std::uint64_t descriptor;
    static PaeUpdateDescriptor decode(const HypercallArguments& a) {
        return {a[0] | a[1] << 32, a[2] | a[3] << 32};
    }
    HypercallResult run(HypercallContext& context) const;
};

// vm_assist: switches on what the hypervisor may do to help a guest.
struct VmAssist {
    static constexpr unsigned number = __HYPERVISOR_vm_assist;
    static constexpr const char* name = "vm_assist";
    std::uint32_t command, type;
    static VmAssist decode(const HypercallArguments& a) {
        return {static_cast<std::uint32_t>(a[0]), static_cast<std::uint32_t>(a[1])};
    }
    HypercallResult run(HypercallContext& context) const;
};

} // namespace bulkhead::hv
