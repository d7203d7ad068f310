// Processor state by hypercall. Nothing takes effect that would make the hypervisor fault or watch itself.
#include "hv/calls/vcpu_state.hpp"

#include "hv/domain/vcpu.hpp"
#include "hv/trap/address.hpp"
#include "hv/trap/emulate_debug_registers.hpp"
#include "hv/trap/seams.hpp"

namespace bulkhead::hv {

// A bad stack pointer is found when something is to be written there.
HypercallResult StackSwitch::run(HypercallContext& context) const {
    context.caller.entries.kernel_ss = (ss & 0xffff) | 3;
    context.caller.entries.kernel_sp = sp;
    return 0;
}

HypercallResult FpuTaskswitch::run(HypercallContext& context) const {
    context.caller.processor.task_switched = set;
    apply_task_switched(context.caller);
    return 0;
}

HypercallResult SetDebugreg::run(HypercallContext& context) const {
    BULKHEAD_TRY(set_debug_register(context.caller, reg, value));
    return 0;
}

HypercallResult GetDebugreg::run(HypercallContext& context) const {
    const auto value = get_debug_register(context.caller, reg);
    return value ? HypercallResult{static_cast<std::int64_t>(*value)} : fail(value.error());
}

HypercallResult SetSegmentBase::run(HypercallContext& context) const {
    auto& vcpu = context.caller;
    if (which == SEGBASE_GS_USER_SEL) {
        if ((base & 0xffff) != 0 && (base & 3) != 3)
            return fail(Error::invalid);
        return load_user_gs(vcpu, static_cast<std::uint16_t>(base)) ? HypercallResult{0}
                                                                    : fail(Error::invalid);
    }
    if (which > SEGBASE_GS_KERNEL || !is_canonical(base))
        return fail(Error::invalid);
    if (which == SEGBASE_FS)
        set_fs_base(vcpu, base);
    else if (which == SEGBASE_GS_KERNEL)
        set_kernel_gs_base(vcpu, base);
    else // in force when the vCPU leaves its kernel
        vcpu.processor.gs_base_user = base;
    return 0;
}

HypercallResult PhysdevOp::run(HypercallContext& context) const {
    if (command != PHYSDEVOP_set_iopl)
        return fail(Error::not_implemented);
    const auto request = GuestPtr<physdev_set_iopl>{argument}.read();
    if (!request)
        return fail(request.error());
    if (request->iopl > 3)
        return fail(Error::invalid);
    context.caller.processor.iopl = static_cast<std::uint8_t>(request->iopl);
    return 0;
}

} // namespace bulkhead::hv
