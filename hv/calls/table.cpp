// The table of all hypercalls. A number that is not listed answers ENOSYS.
#include "hv/calls/table.hpp"

#include "hv/calls/console.hpp"
#include "hv/calls/control.hpp"
#include "hv/calls/descriptors.hpp"
#include "hv/calls/event.hpp"
#include "hv/calls/grant.hpp"
#include "hv/calls/memory.hpp"
#include "hv/calls/mmu.hpp"
#include "hv/calls/mmuext.hpp"
#include "hv/calls/multicall.hpp"
#include "hv/calls/sched.hpp"
#include "hv/calls/trap.hpp"
#include "hv/calls/vcpu.hpp"
#include "hv/calls/vcpu_state.hpp"
#include "hv/calls/version.hpp"
#include "hv/domain/domain.hpp"
#include "hv/trace/ledger.hpp"
#include "hv/trace/trace.hpp"

#include <cstddef>

namespace bulkhead::hv {

namespace {

// The arguments, where the entry path has put them.
HypercallArguments& arguments_of(Registers& regs) {
    static_assert(offsetof(Registers, r9) - offsetof(Registers, rdi) + sizeof regs.r9 ==
                      sizeof(HypercallArguments) &&
                  offsetof(Registers, rsi) < offsetof(Registers, rdx) &&
                  offsetof(Registers, r10) < offsetof(Registers, r8));
    return *reinterpret_cast<HypercallArguments*>(&regs.rdi);
}

constexpr HypercallTable<SetTrapTable, MmuUpdate, SetGdt, StackSwitch, SetCallbacks, FpuTaskswitch,
                         SetDebugreg, GetDebugreg, UpdateDescriptor, MemoryOp, Multicall, UpdateVaMapping,
                         SetTimerOp, XenVersion, ConsoleIo, GrantTableOp, VmAssist,
                         UpdateVaMappingOtherdomain, Iret, VcpuOp, SetSegmentBase, MmuextOp, SchedOp,
                         CallbackOp, EventChannelOp, PhysdevOp, Control>
    table;

} // namespace

HypercallAnswer invoke_hypercall(std::uint64_t number, Vcpu& caller, HypercallArguments& arguments) {
    return table.invoke(number, caller, arguments);
}

void handle_hypercall(Pcpu& self, Vcpu& vcpu) {
    auto& regs = vcpu.regs;
    const auto number = regs.rax;
    name_section(self, landmark::SectionKind::hypercall, static_cast<std::uint32_t>(number));
    count(vcpu.domain->ledger->hypercalls);
    trace_event(trace::Event::hypercall_in, vcpu, number, regs.rdi);
    const auto answer = invoke_hypercall(number, vcpu, arguments_of(regs));
    if (answer.again) [[unlikely]] {
        regs.rip -= 2; // the SYSCALL instruction, which the guest executes again with rax unchanged
        return;
    }
    regs.rax = static_cast<std::uint64_t>(answer.value);
    trace_event(trace::Event::hypercall_out, vcpu, number, regs.rax);
}

} // namespace bulkhead::hv
