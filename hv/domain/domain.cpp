// How a domain ends.
#include "hv/domain/domain.hpp"

#include "hv/base/locks.hpp"
#include "hv/base/log.hpp"
#include "hv/base/machine.hpp"
#include "hv/dispatch/dispatch.hpp"
#include "hv/dispatch/run.hpp"
#include "hv/dispatch/timers.hpp"
#include "hv/trace/trace.hpp"

extern "C" {
#include <xen/sched.h>
}

namespace bulkhead::hv {

void shut_down_domain(Domain& domain, std::uint32_t reason) {
    {
        const LockGuard run{run_lock()};
        if (domain.life == control::Life::shut_down || domain.life == control::Life::dying)
            return;
        domain.life = control::Life::shut_down;
        domain.shutdown_reason = reason;
        domain.ledger->shutdown_reason = reason;
        trace_event(trace::Event::domain_shutdown, domain, reason, 0);
        reconsider_all(domain);
        // A dead guest's timers would go on interrupting the others for as long as it is kept.
        for (std::uint32_t i = 0; i < domain.vcpu_count; ++i)
            if (domain.vcpus[i] != nullptr)
                stop_timers(*domain.vcpus[i]);
    }
    if (domain.privileged)
        end_run(reason == SHUTDOWN_crash ? landmark::Exit::panicked : landmark::Exit::all_off,
                "domain 0 ended before the run was over");
    if (Domain* control_plane = find_domain(DomainId{0}))
        raise_global_virq(*control_plane, VIRQ_DOM_EXC);
}

void crash_domain(Domain& domain, const char* why) {
    const auto* vcpu = current_vcpu();
    {
        const LockGuard run{run_lock()};
        if (domain.life == control::Life::shut_down || domain.life == control::Life::dying)
            return;
        if (vcpu != nullptr && vcpu->domain == &domain)
            begin_dump(domain.dump, *vcpu);
    }
    log("domain %u (%s) crashed: %s\n", domain.id.value(), domain.name, why);
    shut_down_domain(domain, SHUTDOWN_crash);
}

} // namespace bulkhead::hv
