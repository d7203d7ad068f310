#include "hv/dispatch/standstill.hpp"

#include "hv/arch/pcpu.hpp"
#include "hv/base/locks.hpp"
#include "hv/dispatch/dispatch.hpp"
#include "hv/plugin/candidates.hpp"
#include "hv/plugin/scheduler.hpp"

namespace bulkhead::hv {

namespace {

bool all_others_stand() {
    const LockGuard run{run_lock()};
    bool stand = true;
    for (std::uint32_t i = 0; i < pcpu_count(); ++i) {
        auto& each = pcpu(PcpuId{static_cast<std::uint16_t>(i)});
        if (&each == &pcpu() || each.current == nullptr)
            continue;
        request_dispatch(each.id);
        stand = false;
    }
    return stand;
}

bool has_left(const Vcpu& vcpu) {
    const LockGuard run{run_lock()};
    return vcpu.sched.state != RunState::running;
}

std::uint64_t existing_pcpus() {
    const auto count = pcpu_count();
    return count == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << count) - 1;
}

template<class Change>
void change_while_off(Vcpu& vcpu, Change change) {
    pause_vcpu(vcpu);
    while (!has_left(vcpu))
        machine::wait_at_rest();
    {
        const LockGuard run{run_lock()};
        change();
    }
    unpause_vcpu(vcpu);
}

} // namespace

void stop_others() {
    hold_dispatch(true);
    while (!all_others_stand())
        machine::wait_at_rest();
}

void let_others_go() {
    hold_dispatch(false);
    for (std::uint32_t i = 0; i < pcpu_count(); ++i)
        request_dispatch(PcpuId{static_cast<std::uint16_t>(i)});
}

Result<> swap_scheduler(const Candidate& candidate) {
    stop_others();
    const LockGuard run{run_lock()};
    give_pcpu_up();
    const auto replaced = scheduler::replace(candidate.plugin, candidate.values);
    let_others_go();
    return replaced;
}

Result<> set_affinity(Vcpu& vcpu, std::uint64_t affinity) {
    if ((affinity & existing_pcpus()) == 0)
        return fail(Error::invalid);
    change_while_off(vcpu, [&] { scheduler::set_affinity(vcpu, affinity & existing_pcpus()); });
    return {};
}

void set_preferred(Vcpu& vcpu, std::uint64_t pcpus) {
    change_while_off(vcpu, [&] { scheduler::set_preferred(vcpu, pcpus & existing_pcpus()); });
}

} // namespace bulkhead::hv
