// The table of hypercalls of 32-bit guests. A number that is not listed answers ENOSYS.
#include "hv/pae/calls.hpp"

#include "hv/calls/console.hpp"
#include "hv/calls/control.hpp"
#include "hv/calls/descriptors.hpp"
#include "hv/calls/event.hpp"
#include "hv/calls/grant.hpp"
#include "hv/calls/memory.hpp"
#include "hv/calls/mmu.hpp"
#include "hv/calls/mmuext.hpp"
#include "hv/calls/sched.hpp"
#include "hv/calls/table.hpp"
#include "hv/calls/trap.hpp"
#include "hv/calls/vcpu.hpp"
#include "hv/calls/vcpu_state.hpp"
#include "hv/calls/version.hpp"
#include "hv/domain/domain.hpp"
#include "hv/pae/iret.hpp"
#include "hv/trace/ledger.hpp"
#include "hv/trace/trace.hpp"

#include <cstddef>

namespace bulkhead::hv {

namespace {

constexpr std::uint64_t low_half = 0xffffffff;

// The deadline comes in two registers.
struct PaeSetTimerOp {
    static constexpr unsigned number = __HYPERVISOR_set_timer_op;
    static constexpr const char* name = "set_timer_op";
    std::uint64_t deadline;
    static PaeSetTimerOp decode(const HypercallArguments& a) { return {a[0] | a[1] << 32}; }
    HypercallResult run(HypercallContext& context) const {
        HypercallArguments arguments{{deadline}};
        return invoke_hypercall(__HYPERVISOR_set_timer_op, context.caller, arguments);
    }
};

// A mark's value comes in two registers.
struct PaeControl {
    static constexpr unsigned number = control::hypercall_number;
    static constexpr const char* name = "bulkhead_control";
    std::uint64_t call, first, second;
    static PaeControl decode(const HypercallArguments& a) { return {a[0], a[1], a[2] | a[3] << 32}; }
    HypercallResult run(HypercallContext& context) const {
        if (call != static_cast<std::uint64_t>(control::Call::mark))
            return fail(Error::permission); // the others are domain 0's
        HypercallArguments arguments{{call, first, second}};
        return invoke_hypercall(number, context.caller, arguments);
    }
};

struct PaeMulticall {
    static constexpr unsigned number = __HYPERVISOR_multicall;
    static constexpr const char* name = "multicall";
    GuestPtr<pae_abi::MulticallEntry> calls;
    std::uint32_t count;
    static PaeMulticall decode(const HypercallArguments& a) {
        return {GuestPtr<pae_abi::MulticallEntry>{a[0]}, static_cast<std::uint32_t>(a[1])};
    }
    HypercallResult run(HypercallContext& context) const;
};

// Calls that have one form for both widths are made as a 64-bit guest makes them.
constexpr HypercallTable<MmuUpdate, StackSwitch, FpuTaskswitch, SetDebugreg, GetDebugreg, XenVersion,
                         ConsoleIo, VmAssist, EventChannelOp, PhysdevOp, PaeSetTrapTable, PaeSetGdt,
                         PaeSetCallbacks, PaeUpdateDescriptor, PaeMemoryOp, PaeMulticall, PaeUpdateVaMapping,
                         PaeUpdateVaMappingOtherdomain, PaeSetTimerOp, PaeGrantTableOp, PaeIret, PaeVcpuOp,
                         PaeMmuextOp, PaeSchedOp, PaeCallbackOp, PaeControl>
    table;

HypercallResult continue_from(HypercallContext& context, GuestPtr<pae_abi::MulticallEntry> calls,
                              std::uint32_t count) {
    context.arguments[0] = calls.address().value();
    context.arguments[1] = count;
    return fail(Error::restart);
}

Result<> write_result(GuestPtr<pae_abi::MulticallEntry> at, std::int64_t result) {
    return GuestPtr<std::uint32_t>{at.address().value() + offsetof(pae_abi::MulticallEntry, result)}.write(
        static_cast<std::uint32_t>(result));
}

HypercallResult PaeMulticall::run(HypercallContext& context) const {
    for (std::uint32_t i = 0; i < count; ++i) {
        const auto at = calls + i;
        if (context.domain.life == control::Life::shut_down)
            return 0; // by the call before: it does nothing any more
        if (i != 0 && machine::should_preempt())
            return continue_from(context, at, count - i);
        auto entry = at.read();
        if (!entry)
            return fail(entry.error());
        const auto& args = entry->args;
        HypercallArguments arguments{{args[0], args[1], args[2], args[3], args[4], args[5]}};
        const auto answer = entry->op == __HYPERVISOR_multicall
                                ? HypercallAnswer{-static_cast<std::int64_t>(Error::invalid), false}
                                : table.invoke(entry->op, context.caller, arguments);
        if (answer.again) [[unlikely]] { // its arguments say what is left
            for (std::size_t n = 0; n < arguments.value.size(); ++n)
                entry->args[n] = static_cast<std::uint32_t>(arguments[n]);
            BULKHEAD_TRY(at.write(*entry));
            return continue_from(context, at, count - i);
        }
        if (entry->op == __HYPERVISOR_iret) { // the guest goes on where the frame says
            if (context.caller.processor.in_kernel)
                static_cast<void>(write_result(at, answer.value));
            return answer.value;
        }
        BULKHEAD_TRY(write_result(at, answer.value));
    }
    return 0;
}

} // namespace

void handle_pae_hypercall(Pcpu& self, Vcpu& vcpu) {
    auto& regs = vcpu.regs;
    const auto number = regs.rax & low_half;
    name_section(self, landmark::SectionKind::hypercall, static_cast<std::uint32_t>(number));
    count(vcpu.domain->ledger->hypercalls);
    HypercallArguments arguments{{regs.rbx & low_half, regs.rcx & low_half, regs.rdx & low_half,
                                  regs.rsi & low_half, regs.rdi & low_half, regs.rbp & low_half}};
    trace_event(trace::Event::hypercall_in, vcpu, number, arguments[0]);
    const auto answer = table.invoke(number, vcpu, arguments);
    if (answer.again) [[unlikely]] {
        regs.rbx = arguments[0] & low_half;
        regs.rcx = arguments[1] & low_half;
        regs.rdx = arguments[2] & low_half;
        regs.rsi = arguments[3] & low_half;
        regs.rdi = arguments[4] & low_half;
        regs.rbp = arguments[5] & low_half;
        regs.rip -= 2; // the INT instruction, which the guest executes again with eax unchanged
        return;
    }
    regs.rax = static_cast<std::uint64_t>(answer.value) & low_half;
    trace_event(trace::Event::hypercall_out, vcpu, number, regs.rax);
}

} // namespace bulkhead::hv
