#include "guest/runtime/vcpus.hpp"

#include "guest/runtime/hypercall.hpp"
#include "guest/runtime/memory.hpp"
#include "guest/runtime/paging.hpp"

#include <xen/vcpu.h>

namespace bulkhead::guest {

std::uint16_t vcpu_count() {
    std::uint16_t count = 1;
    while (count < XEN_LEGACY_MAX_VCPUS && hypercall::vcpu_op(VCPUOP_is_up, count, nullptr))
        ++count;
    return count;
}

Status start_vcpu(VcpuId id, void (*entry)()) {
    static vcpu_guest_context_t context; // over 5 kB; only vCPU 0 comes here
    Page* const stack = allocate_pages();
    context = {};
    context.flags = VGCF_in_kernel;
    const Word top = address_of(stack + 1) - sizeof(Word);
    set_start(context.user_regs, reinterpret_cast<Word>(entry), top);
    context.user_regs.cs = FLAT_KERNEL_CS;
    context.user_regs.ss = FLAT_KERNEL_SS;
    context.kernel_sp = top;
    context.kernel_ss = FLAT_KERNEL_SS;
    context.ctrlreg[3] = xen_pfn_to_cr3(kernel_root().value());
    if (const auto done = hypercall::vcpu_op(VCPUOP_initialise, id.value(), &context); !done)
        return std::unexpected{done.error()};
    if (const auto done = hypercall::vcpu_op(VCPUOP_up, id.value(), nullptr); !done)
        return std::unexpected{done.error()};
    return {};
}

} // namespace bulkhead::guest
