#include "hv/dispatch/service.hpp"

#include "hv/arch/pcpu.hpp"
#include "hv/base/locks.hpp"
#include "hv/domain/domain.hpp"
#include "hv/plugin/scheduler.hpp"
#include "hv/trace/ledger.hpp"

#include <algorithm>
#include <utility>

namespace bulkhead::hv {

namespace {

// The vCPU that pays: the one whose runstate changed last is in use, so its policy state cannot be one that
// never runs and never pays.
Vcpu* debtor(const Domain& domain) {
    Vcpu* latest = nullptr;
    for (std::uint32_t i = 0; i < domain.vcpu_count; ++i)
        if (Vcpu* vcpu = domain.vcpus[i]; vcpu != nullptr && vcpu->sched.initialised && vcpu->sched.online)
            if (latest == nullptr || vcpu->runstate.since > latest->runstate.since)
                latest = vcpu;
    return latest;
}

} // namespace

void settle_service(Vcpu& vcpu, RealTime now) {
    auto& service = vcpu.service;
    if (!service.foreign)
        return;
    const bool new_turn = vcpu.sched.run_since > service.since;
    const auto since = new_turn ? vcpu.sched.run_since : service.since;
    const auto others = vcpu.sched.other_work - (new_turn ? Nanos{0} : service.others);
    const auto amount = std::max(now - since - others, Nanos{0});
    vcpu.sched.other_work += amount;
    service.since = now;
    service.others = vcpu.sched.other_work;
    // A switch that it caused was on the payer's behalf as well.
    if (Vcpu* payer = debtor(*service.payer))
        scheduler::charge(*payer, amount + std::exchange(vcpu.sched.switch_work, Nanos{0}));
}

void charge_domain(const Domain& domain, Nanos amount) {
    const LockGuard run{run_lock()};
    if (Vcpu* payer = debtor(domain))
        scheduler::charge(*payer, amount);
}

void work_for(Vcpu& vcpu, Domain& payer) {
    const auto now = machine::now();
    settle_service(vcpu, now);
    vcpu.service = {.payer = &payer,
                    .account = payer.ledger,
                    .foreign = &payer != vcpu.domain,
                    .since = now,
                    .others = vcpu.sched.other_work};
    bill_to(pcpu(), payer, now);
}

} // namespace bulkhead::hv
