// A domain's credit is the CPU time that it is owed for its weight. It burns credit while its vCPUs run,
// the slower the larger its weight, and earns credit at the machine's pace, but saves at most the credit
// of `saving`. The vCPU of the domain with most credit runs. A waking vCPU takes a pCPU at once from a
// domain with less credit and pays for that from an allowance. A storm of wakes therefore cannot preempt
// more often than once per rate limit, and a vCPU that wakes seldom does not wait for it.
//
// Source:   Xen Project, "Credit2 Scheduler", wiki.xenproject.org, for credit burnt by weight, run queue
//           sorted by credit and rate limit. Here the weight is the domain's, credit is given
//           continuously and not in resets, and the limit is on preempting instead of on being
//           preempted.
// Good at:  latency of light domains next to hogs and storms, shares by weight for any number of vCPUs.
// Bad at:   caches (no memory of where a vCPU was warm), domains with many vCPUs pinned
//           apart.
// Bounds:   on one pCPU the share of a domain that always wants to run is that of its weight, to within
//           one slice per competing domain plus the savings of sleepers. A vCPU of a domain that uses
//           less than its share preempts at once if its domain wakes less often than the rate limit, and
//           waits for one slice otherwise. Waits are bounded as
//           sched/patience.hpp says, plus the turns of other domains that waited as long.
#include "sched/share_queue.hpp"

namespace {

using namespace bulkhead;
namespace shares = sched::shares;

class Credit2 : public sched::Policy {
  public:
    using Vcpu = shares::Vcpu;
    using Pcpu = shares::Pcpu;
    struct Domain : shares::Domain { // its credit is how far its position is behind the machine's
        bool boosted;                // woke, and paid for preempting
    };

    static constexpr plugin::Parameter parameters[] = {
        {"slice", "us", "time that a vCPU runs before credits are compared again", 2'000, 100, 50'000},
        {"saving", "us", "a sleeper keeps at most the credit of this time", 10'000, 0, 100'000},
        {"rate_limit", "us", "a domain preempts others at most once per this time", 1'000, 100, 20'000},
        {"burst", "1", "preemptions that a domain may save up", 8, 1, 64},
    };
    static constexpr sched::Text text{
        .name = "credit2",
        .summary = "the most credit runs; wakes preempt at once while a domain's allowance lasts",
        .good_at = "wake-up latency next to hogs and storms, shares per domain",
        .bad_at = "cache affinity, domains with many vCPUs pinned apart",
        .source = "Xen Project wiki, Credit2 Scheduler; Goyal et al., Start-time fair queuing, SIGCOMM 1996",
    };

    explicit Credit2(const sched::Setup<Credit2>& setup)
        : services_{setup.services}, running_{setup.services, setup.pcpus},
          slice_{microseconds(setup.values[0])},
          accounts_{setup.services.pcpus(), microseconds(setup.values[1])},
          allowance_{microseconds(setup.values[2]), setup.values[3]} {}

    void attach(Vcpu& vcpu) {
        accounts_.attach(domain_of(vcpu));
        queue_.attach(domain_of(vcpu));
    }
    void detach(Vcpu& vcpu) {
        accounts_.detach(domain_of(vcpu));
        queue_.detach(domain_of(vcpu));
    }

    void wake(Vcpu& vcpu, RealTime now) {
        settle(now);
        Domain& domain = domain_of(vcpu);
        accounts_.wakes(domain);
        Pcpu* victim = running_.weakest_for(vcpu, LessCredit{});
        if (victim != nullptr && LessCredit{}(*victim->running->domain, domain) &&
            !running_.must_leave_to(domain_of(*victim->running), domain, accounts_.active()) &&
            queue_.may_run(domain, now) && allowance_.pay(domain, now)) {
            victim->claimed = &domain;
            services_.kick(victim->id);
            domain.boosted = true;
            queue_.reorder(domain);
        }
        queue_.push_back(vcpu, now);
    }

    void deschedule(Vcpu& vcpu, sched::Stop why, Nanos ran, RealTime now) {
        Domain& domain = domain_of(vcpu);
        if (vcpu.queued()) // paused or gone while it waited
            queue_.remove(vcpu);
        else
            bill(domain, running_.stop(vcpu, why, ran), now);
        if (!sched::still_runnable(why)) {
            accounts_.sleeps(domain);
            if (domain.runnable == 0)
                domain.boosted = false;
            return;
        }
        if (why == sched::Stop::yielded)
            give_way(domain);
        queue_.push_again(vcpu, why, now);
    }

    sched::Decision pick(Pcpu& pcpu, RealTime now) {
        settle(now);
        const auto [vcpu, impatient, least] = queue_.take_for(pcpu, now, running_, accounts_.active());
        if (vcpu == nullptr) {
            running_.idle(pcpu);
            return queue_.idle(now);
        }
        Domain& domain = domain_of(*vcpu);
        accounts_.serves(domain, least && !domain.boosted,
                         running_.least_position(domain, accounts_.active()));
        domain.boosted = false;
        queue_.reorder(domain);
        running_.start(pcpu, *vcpu, now);
        return {vcpu, impatient ? sched::least_slice : sched::Caps::slice(domain, slice_)};
    }

    void charge(Vcpu& vcpu, Nanos amount) { bill(domain_of(vcpu), amount, services_.now()); }

    void tune(Domain& domain) {
        accounts_.retune(domain);
        if (queue_.retune(domain, services_.now()))
            running_.kick_idle(services_);
    }

  private:
    struct MoreCredit {
        bool operator()(const Domain& a, const Domain& b) const {
            return a.boosted != b.boosted ? a.boosted : a.position < b.position;
        }
    };
    struct LessCredit {
        bool operator()(const sched::Domain& a, const sched::Domain& b) const {
            return static_cast<const Domain&>(a).position > static_cast<const Domain&>(b).position;
        }
    };
    static Domain& domain_of(const Vcpu& vcpu) { return static_cast<Domain&>(*vcpu.domain); }

    void bill(Domain& domain, Nanos time, RealTime now) {
        accounts_.bill(domain, time);
        queue_.spend(domain, time, now, running_);
        queue_.reorder(domain);
    }
    void settle(RealTime now) {
        running_.settle(now, [this, now](shares::Domain& domain, Nanos time) {
            bill(static_cast<Domain&>(domain), time, now);
        });
    }

    // A yield gives away what the domain has more than the next one, so that another vCPU runs for a slice.
    void give_way(Domain& domain) {
        if (const Domain* next = queue_.order().first(); next != nullptr)
            domain.position = std::max(domain.position, next->position);
        queue_.reorder(domain);
    }

    sched::Services services_;
    shares::Running running_;
    Nanos slice_;
    shares::Accounts accounts_;
    shares::Allowance allowance_;
    shares::Queue<Domain, shares::Sorted<Domain, MoreCredit>> queue_;
};

} // namespace

BULKHEAD_SCHEDULER(Credit2)
