// Calls that do next to nothing, one at a time and in a list; what belongs to the vCPU alone.
#include "guest/runtime/hypercall.hpp"
#include "guest/runtime/schedule.hpp"
#include "workloads/primitives/meter.hpp"

namespace bulkhead::primitives {
namespace {

using namespace guest;

constexpr std::size_t many = 32;
constinit std::array<multicall_entry, many> list{};
alignas(16) constinit std::array<std::byte, 16384> kernel_stack{};

void null_call() { static_cast<void>(hypercall::raw(__HYPERVISOR_xen_version, XENVER_version)); }

std::uint64_t cost_of_list(std::size_t length) {
    Samples taken{};
    for (auto& sample : taken) {
        for (auto& entry : list)
            entry = {.op = __HYPERVISOR_xen_version, .result = 0, .args = {XENVER_version}};
        sample = cost_of([&] { static_cast<void>(hypercall::multicall({list.data(), length})); });
    }
    return median(taken);
}

} // namespace

void measure_calls() {
    measure("null_call", null_call);
    report("multicall_entry", (cost_of_list(many) - cost_of_list(many / 2)) / (many / 2));
    measure("multicall_32", [] { static_cast<void>(hypercall::multicall(list)); });
    const auto stack = reinterpret_cast<std::uintptr_t>(kernel_stack.end());
    measure("stack_switch", [=] { static_cast<void>(hypercall::stack_switch(FLAT_KERNEL_SS, stack)); });
#ifndef __i386__ // where bases are those of descriptors
    measure("set_segment_base", [] { static_cast<void>(hypercall::set_segment_base(SEGBASE_FS, 0)); });
#endif
    measure("fpu_taskswitch", [] { static_cast<void>(hypercall::fpu_taskswitch(false)); });
    measure("runstate", [] {
        vcpu_runstate_info info{};
        static_cast<void>(hypercall::vcpu_op(VCPUOP_get_runstate_info, 0, &info));
    });
    measure("yield", yield);
}

} // namespace bulkhead::primitives
