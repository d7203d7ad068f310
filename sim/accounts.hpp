// What every step of the simulated machine does to its accounts and to the clock of its pCPU, inlined into
// the steps: this is most of what a simulated decision costs.
#pragma once

#include "sim/machine.hpp"

#include <algorithm>

namespace bulkhead::sim {

inline void Machine::change(Vcpu& vcpu, RunState state, RealTime now) {
    const auto elapsed = (now - vcpu.since).count();
    if (vcpu.state == RunState::queued)
        vcpu.domain->ledger.waiting_ns += elapsed;
    else if (vcpu.state == RunState::blocked)
        vcpu.domain->ledger.blocked_ns += elapsed;
    vcpu.state = state;
    vcpu.since = now;
}

inline void Machine::bill(Core& core, Domain* domain, std::int64_t cost) {
    now_ += Nanos{cost};
    const auto elapsed = (now_ - core.posted).count();
    core.posted = now_;
    if (domain == nullptr) {
        core.ledger.unbilled_ns += elapsed;
        return;
    }
    core.ledger.hypervisor_ns += elapsed;
    domain->ledger.hypervisor_ns += elapsed;
}

inline void Machine::bill_guest(Core& core, Vcpu& vcpu, RealTime until) {
    const Nanos elapsed = until - core.posted;
    core.posted = core.from = until;
    core.ledger.guest_ns += elapsed.count();
    vcpu.domain->ledger.guest_ns += elapsed.count();
    vcpu.worked_ += elapsed;
    vcpu.left = std::max(vcpu.left - elapsed, Nanos{});
}

inline void Machine::end_section(const Core& core) {
    const auto length = (now_ - core.entered).count();
    if (length <= longest_.ns)
        return;
    const std::uint16_t domain =
        core.current != nullptr ? core.current->domain->id.value() : trace::no_domain;
    longest_ = {length, static_cast<std::uint32_t>(landmark::SectionKind::dispatch), 0, domain, core.id, 0};
}

inline bool Machine::may_run(const Vcpu& vcpu) {
    return !vcpu.waiting && vcpu.pauses == 0 && vcpu.domain->pauses == 0 && vcpu.domain->alive &&
           static_cast<bool>(vcpu.program);
}

inline void Machine::refresh(Core& core) {
    const RealTime irq = core.interrupted_at();
    if (core.current == nullptr) {
        core.next = std::max(irq, core.posted);
        return;
    }
    const Vcpu& vcpu = *core.current;
    const RealTime done =
        vcpu.step_.to_instant ? std::max(core.from, vcpu.step_.until) : core.from + vcpu.left;
    core.next = std::max(std::min(irq, done), core.from);
}

// Asks a halted pCPU that may have this queued vCPU.
inline void Machine::offer(Vcpu& vcpu) {
    if (const std::uint64_t able = halted_ & vcpu.policy->affinity; able != 0)
        offer_one_of(able, vcpu);
}

} // namespace bulkhead::sim
