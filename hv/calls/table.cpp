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

namespace bulkhead::hv {

namespace {

constexpr unsigned hypercall_count = 64;
using Handler = std::int64_t (*)(HypercallContext&);

template<Hypercall H>
std::int64_t perform(HypercallContext& context) {
    const auto result = H::decode(context.arguments).run(context);
    if (result) [[likely]]
        return *result;
    context.again = result.error() == Error::restart;
    return -static_cast<std::int64_t>(result.error());
}

std::int64_t unknown(HypercallContext&) { return -static_cast<std::int64_t>(Error::not_implemented); }

template<Hypercall... H>
struct Table {
    std::array<Handler, hypercall_count> handlers;
    constexpr Table() {
        handlers.fill(unknown);
        static_assert(((H::number < hypercall_count) && ...));
        ((handlers[H::number] = perform<H>), ...);
    }
};

constexpr Table<SetTrapTable, MmuUpdate, SetGdt, StackSwitch, SetCallbacks, FpuTaskswitch, SetDebugreg,
                GetDebugreg, UpdateDescriptor, MemoryOp, Multicall, UpdateVaMapping, SetTimerOp, XenVersion,
                ConsoleIo, GrantTableOp, VmAssist, UpdateVaMappingOtherdomain, Iret, VcpuOp, SetSegmentBase,
                MmuextOp, SchedOp, CallbackOp, EventChannelOp, PhysdevOp, Control>
    table;

} // namespace

std::int64_t invoke_hypercall(std::uint64_t number, HypercallContext& context) {
    return number < hypercall_count ? table.handlers[number](context) : unknown(context);
}

void handle_hypercall(Vcpu& vcpu) {
    auto& regs = vcpu.regs;
    const auto number = regs.rax;
    name_section(landmark::SectionKind::hypercall, static_cast<std::uint32_t>(number));
    count(vcpu.domain->ledger->hypercalls);
    HypercallArguments arguments{{regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9}};
    trace_event(trace::Event::hypercall_in, vcpu, number, arguments[0]);
    HypercallContext context{vcpu, *vcpu.domain, arguments};
    const auto answer = invoke_hypercall(number, context);
    if (context.again) [[unlikely]] {
        regs.rdi = arguments[0];
        regs.rsi = arguments[1];
        regs.rdx = arguments[2];
        regs.r10 = arguments[3];
        regs.r8 = arguments[4];
        regs.r9 = arguments[5];
        regs.rip -= 2; // the SYSCALL instruction, which the guest executes again with rax unchanged
        return;
    }
    regs.rax = static_cast<std::uint64_t>(answer);
    trace_event(trace::Event::hypercall_out, vcpu, number, regs.rax);
}

} // namespace bulkhead::hv
