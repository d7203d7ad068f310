// Protection from starvation for policies that share by weight: a domain that has waited too long gets a
// least slice. It counts domains, so that more vCPUs bring no more of it, and it never gives more than the
// domain's weight does: a domain of a tiny share waits for as long as a least slice takes at that share.
#pragma once

#include "plugin/tree.hpp"
#include "sched/contract.hpp"

#include <algorithm>
#include <boost/intrusive/list.hpp>

namespace bulkhead::sched {

constexpr Nanos patience = milliseconds(1'000); // the least wait that this header ends

struct ByAge; // tags
struct ByLook;
using AgeHook = boost::intrusive::list_base_hook<boost::intrusive::tag<ByAge>>;
using LookHook = plugin::TreeHook<std::uint64_t, ByLook>;

// Bases of the policy's own types. The policy counts `runnable`.
struct PatientVcpu : AgeHook {
    RealTime queued_at;
};
template<class V>
struct PatientDomain : LookHook {
    boost::intrusive::list<V, boost::intrusive::base_hook<AgeHook>,
                           boost::intrusive::constant_time_size<false>>
        waiting;            // its queued vCPUs, longest waiting first
    RealTime served;        // one of its vCPUs was last picked
    RealTime look;          // when it may be overdue, at the earliest
    std::uint32_t weighed;  // its weight as Patience last saw it
    std::uint32_t runnable; // vCPUs queued or running
    bool overdue;           // in which of the two trees it is
    bool suspended;         // in none
};

// A domain waits while a vCPU of it is queued and none is picked: `patience`, or a least slice over its share
// of one pCPU if that is longer. A vCPU waits for that times the runnable vCPUs of its domain.
//
// Every hook costs logarithmic time: domains are watched, and the watch is looked at when the first of them
// may be overdue. One pick looks at a few domains, so that with thousands of them a turn may come some picks
// late.
template<class D, class V>
class Patience {
  public:
    // The first vCPU of the domain comes, or its weight has changed.
    void attach(D& domain) { weigh(domain, domain.weight); }
    void detach(D& domain) {
        if (domain.vcpus != 1)
            return;
        weigh(domain, 0);
        if (domain.LookHook::in_tree())
            forget(domain);
    }

    void queues(V& vcpu, RealTime now) {
        D& domain = domain_of(vcpu);
        vcpu.queued_at = now;
        domain.waiting.push_back(vcpu);
        if (!domain.LookHook::in_tree() && !domain.suspended)
            watch(domain, now + patience);
    }
    // While a cap holds the domain back it is not waiting.
    void suspend(D& domain) {
        if (domain.LookHook::in_tree())
            forget(domain);
        domain.suspended = true;
    }
    void resume(D& domain, RealTime now) {
        domain.suspended = false;
        if (!domain.waiting.empty())
            watch(domain, now + patience);
    }
    // The vCPU is queued no longer: it runs from `now` on, or has left.
    void runs(V& vcpu, RealTime now) {
        leaves(vcpu);
        domain_of(vcpu).served = now;
    }
    void leaves(V& vcpu) {
        D& domain = domain_of(vcpu);
        domain.waiting.erase(domain.waiting.iterator_to(vcpu));
        if (domain.overdue) { // what was found of it may hold no longer
            forget(domain);
            watch(domain, vcpu.queued_at);
        }
    }
    // The vCPU that has waited longest of the domain that is overdue longest, among those that may run there.
    [[nodiscard]] V* overdue_for(PcpuId pcpu, RealTime now) {
        for (int looks = 0; looks < most_looks; ++looks) {
            D* const next = watched_.first();
            if (next == nullptr || next->look > now) [[likely]]
                break;
            look_at(*next, now);
        }
        if (overdue_.empty()) [[likely]]
            return nullptr;
        const std::uint64_t bit = std::uint64_t{1} << pcpu.value();
        D* const domain = overdue_.find([bit](std::uint64_t reach) { return (reach & bit) != 0; });
        return domain == nullptr ? nullptr : &domain->waiting.front();
    }

  private:
    static constexpr int most_looks = 4; // in one pick
    struct Sooner {
        using Hook = LookHook;
        static bool before(const D& a, const D& b) { return a.look < b.look; }
        static std::uint64_t own(const D& domain) {
            return domain.waiting.empty() ? 0 : domain.waiting.front().affinity;
        }
        static std::uint64_t join(std::uint64_t a, std::uint64_t b) { return a | b; }
    };

    void weigh(D& domain, std::uint32_t weight) {
        weights_ += std::int64_t{weight} - domain.weighed;
        domain.weighed = weight;
    }
    static D& domain_of(const V& vcpu) { return static_cast<D&>(*vcpu.domain); }
    [[nodiscard]] Nanos patience_with(const D& domain) const {
        return std::max(patience, least_slice * weights_ / domain.weight);
    }
    // When a vCPU of it is to get a turn; some are queued.
    [[nodiscard]] RealTime due(const D& domain) const {
        const RealTime since = domain.waiting.front().queued_at;
        const Nanos most = patience_with(domain);
        if (domain.served <= since)
            return since + most;
        return std::min(domain.served, since + most * (std::int64_t{domain.runnable} - 1)) + most;
    }
    void watch(D& domain, RealTime look) {
        domain.look = look;
        watched_.insert(domain);
    }
    void forget(D& domain) {
        (domain.overdue ? overdue_ : watched_).erase(domain);
        domain.overdue = false;
    }
    void look_at(D& domain, RealTime now) {
        watched_.erase(domain);
        if (domain.waiting.empty())
            return;
        const RealTime at = due(domain);
        if (at > now) // before that it is looked at again, for its vCPUs may become fewer
            return watch(domain, std::min(at, now + patience));
        domain.overdue = true;
        domain.look = at;
        overdue_.insert(domain);
    }

    plugin::Tree<D, Sooner> watched_, overdue_;
    std::int64_t weights_ = 0; // of all attached domains
};

} // namespace bulkhead::sched
