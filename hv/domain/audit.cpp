#include "hv/domain/audit.hpp"

#include "hv/base/locks.hpp"
#include "hv/base/machine.hpp"
#include "hv/dispatch/dispatch.hpp"
#include "hv/mm/paging.hpp"
#include "hv/trace/landmark.hpp"

#include <algorithm>
#include <span>
#include <utility>

namespace bulkhead::hv {

namespace {

enum class Stage : std::uint8_t { hold, frames, grants, release };

// The audit under way. A domain that dies meanwhile stays held: it has no use for its pause count.
struct Progress {
    Stage stage = Stage::hold;
    std::uint32_t slot = 0; // of the next domain
    std::uint64_t violations = 0;
    bool asked = false; // the domain at hand to stop
};
constinit Progress progress;

void advance() {
    progress = {static_cast<Stage>(static_cast<std::uint8_t>(progress.stage) + 1), 0, progress.violations,
                false};
}

// One domain after another, as each may have many vCPUs.
Result<> release_others(Domain& caller) {
    while (Domain* domain = next_domain(progress.slot)) {
        progress.slot = domain->sched.slot + 1;
        if (domain != &caller)
            unpause_all(*domain);
        if (machine::should_preempt())
            return fail(Error::restart);
    }
    return {};
}

bool runs_still(const Domain& domain) {
    const LockGuard run{run_lock()};
    return std::ranges::any_of(std::span{domain.vcpus}.first(domain.vcpu_count), [](const Vcpu* vcpu) {
        return vcpu != nullptr && vcpu->sched.state == RunState::running;
    });
}

// A vCPU on another pCPU may be in the middle of a call until it has left.
Result<> hold_others(Domain& caller) {
    while (Domain* domain = next_domain(progress.slot)) {
        if (domain != &caller) {
            if (!std::exchange(progress.asked, true))
                pause_all(*domain);
            if (runs_still(*domain))
                return fail(Error::restart);
        }
        progress.asked = false;
        progress.slot = domain->sched.slot + 1;
        if (machine::should_preempt())
            return fail(Error::restart);
    }
    return {};
}

Result<> add(Result<std::uint64_t> found) {
    if (!found)
        return fail(found.error());
    progress.violations += *found;
    return {};
}

Result<> run_stage(Domain& caller) {
    switch (progress.stage) {
    case Stage::hold:
        return hold_others(caller);
    case Stage::frames:
        return add(audit_in_steps());
    case Stage::grants:
        return add(audit_grants_in_steps());
    case Stage::release:
        break;
    }
    return release_others(caller);
}

std::uint64_t note(std::uint64_t violations) {
    auto& page = landmark_page();
    ++page.audit_runs;
    page.audit_failures += violations;
    page.free_frames = frame_table().free_frames();
    return violations;
}

} // namespace

Result<std::uint64_t> audit_everything(Domain& caller) {
    for (;;) {
        BULKHEAD_TRY(run_stage(caller));
        if (progress.stage == Stage::release)
            break;
        advance();
    }
    const auto violations = progress.violations;
    progress = {};
    return note(violations);
}

std::uint64_t audit_at_the_end() { return note(audit() + audit_grants()); }

} // namespace bulkhead::hv
