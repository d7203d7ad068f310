// Hypercalls that set processor state which only ring 0 can set: kernel stack, FPU trap, debug registers,
// segment bases, I/O privilege.
#pragma once

#include "hv/calls/hypercall.hpp"

extern "C" {
#include <xen/physdev.h>
#include <xen/xen.h>
}

namespace bulkhead::hv {

struct StackSwitch {
    static constexpr unsigned number = __HYPERVISOR_stack_switch;
    static constexpr const char* name = "stack_switch";
    std::uint64_t ss, sp;
    static StackSwitch decode(const HypercallArguments& a) { return {a[0], a[1]}; }
    HypercallResult run(HypercallContext& context) const;
};

struct FpuTaskswitch {
    static constexpr unsigned number = __HYPERVISOR_fpu_taskswitch;
    static constexpr const char* name = "fpu_taskswitch";
    bool set;
    static FpuTaskswitch decode(const HypercallArguments& a) {
        return {static_cast<std::uint32_t>(a[0]) != 0};
    }
    HypercallResult run(HypercallContext& context) const;
};

struct SetDebugreg {
    static constexpr unsigned number = __HYPERVISOR_set_debugreg;
    static constexpr const char* name = "set_debugreg";
    std::uint32_t reg;
    std::uint64_t value;
    static SetDebugreg decode(const HypercallArguments& a) {
        return {static_cast<std::uint32_t>(a[0]), a[1]};
    }
    HypercallResult run(HypercallContext& context) const;
};

struct GetDebugreg {
    static constexpr unsigned number = __HYPERVISOR_get_debugreg;
    static constexpr const char* name = "get_debugreg";
    std::uint32_t reg;
    static GetDebugreg decode(const HypercallArguments& a) { return {static_cast<std::uint32_t>(a[0])}; }
    HypercallResult run(HypercallContext& context) const;
};

struct SetSegmentBase {
    static constexpr unsigned number = __HYPERVISOR_set_segment_base;
    static constexpr const char* name = "set_segment_base";
    std::uint32_t which;
    std::uint64_t base;
    static SetSegmentBase decode(const HypercallArguments& a) {
        return {static_cast<std::uint32_t>(a[0]), a[1]};
    }
    HypercallResult run(HypercallContext& context) const;
};

// Supports only set_iopl: a guest cannot own physical devices.
struct PhysdevOp {
    static constexpr unsigned number = __HYPERVISOR_physdev_op;
    static constexpr const char* name = "physdev_op";
    std::uint32_t command;
    std::uint64_t argument;
    static PhysdevOp decode(const HypercallArguments& a) { return {static_cast<std::uint32_t>(a[0]), a[1]}; }
    HypercallResult run(HypercallContext& context) const;
};

static_assert(Hypercall<StackSwitch> && Hypercall<FpuTaskswitch> && Hypercall<SetDebugreg> &&
              Hypercall<GetDebugreg> && Hypercall<SetSegmentBase> && Hypercall<PhysdevOp>);

} // namespace bulkhead::hv
