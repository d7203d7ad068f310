// A domain's actual virtual time advances with the CPU time of its vCPUs over its weight, and the lowest
// effective virtual time runs. A domain that wakes may warp: for a short while its effective time is its
// actual time less a warp, so it preempts at once; the time it uses is billed all the same. Without
// warp, a running vCPU keeps the pCPU for the context switch allowance.
//
// Paper:    K. J. Duda, D. R. Cheriton, "Borrowed-virtual-time (BVT) scheduling: supporting
//           latency-sensitive threads in a general-purpose scheduler", SOSP 1999; the first scheduler of
//           Xen (Barham et al., SOSP 2003).
// Good at:  low latency for domains that run briefly and seldom, shares by weight at the same time.
// Bad at:   domains that wake more often than `unwarp` or run longer than `warp_limit`: they wait as
//           hogs do. On several pCPUs a warp borrows nothing from a domain that uses all of its part.
// Bounds:   on one pCPU the share of a domain that always wants to run is that of its weight, to within
//           one allowance per competing domain plus the warp. A domain preempts others at most once per
//           `unwarp`. Waits are bounded as
//           sched/patience.hpp says, plus the turns of other domains that waited as long.
#include "sched/share_queue.hpp"

namespace {

using namespace bulkhead;
namespace shares = sched::shares;

class Bvt : public sched::Policy {
  public:
    using Vcpu = shares::Vcpu;
    using Pcpu = shares::Pcpu;
    struct Domain : shares::Domain {
        VirtualTime effective;
        RealTime may_warp; // not again before
        Nanos warped;      // CPU time it may still use warped; not above 0: it is not warped
    };

    static constexpr plugin::Parameter parameters[] = {
        {"allowance", "us", "time that a vCPU runs before virtual times are compared again", 2'000, 100,
         50'000},
        {"warp", "us", "virtual time by which a warped domain of the default weight is set back", 20'000, 0,
         1'000'000},
        {"warp_limit", "us", "CPU time that a domain may use warped, each time", 200, 50, 10'000},
        {"unwarp", "us", "least time between two warps of a domain", 500, 0, 100'000},
    };
    static constexpr sched::Text text{
        .name = "bvt",
        .summary = "the lowest virtual time runs; a waking domain may borrow against its future share",
        .good_at = "latency of domains that run briefly and seldom, shares per domain",
        .bad_at = "domains that wake more often or run longer than a warp lasts",
        .source = "Duda and Cheriton, Borrowed-virtual-time scheduling, SOSP 1999",
    };

    explicit Bvt(const sched::Setup<Bvt>& setup)
        : services_{setup.services}, running_{setup.services, setup.pcpus},
          allowance_{microseconds(setup.values[0])},
          warp_{shares::scaled(microseconds(setup.values[1]), sched::default_weight)},
          warp_limit_{microseconds(setup.values[2])}, unwarp_{microseconds(setup.values[3])},
          accounts_{setup.services.pcpus(), allowance_} {}

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
        const bool warps = now >= domain.may_warp;
        if (warps) {
            domain.warped = warp_limit_;
            domain.may_warp = now + unwarp_;
        }
        place(domain);
        queue_.push_back(vcpu, now);
        if (!warps || !queue_.may_run(domain, now))
            return;
        Pcpu* victim = running_.weakest_for(vcpu, Later{});
        if (victim != nullptr && may_take(domain, domain_of(*victim->running))) {
            victim->claimed = &domain;
            services_.kick(victim->id);
        }
    }

    void deschedule(Vcpu& vcpu, sched::Stop why, Nanos ran, RealTime now) {
        Domain& domain = domain_of(vcpu);
        // The time here counts for the warp, also where others pay for it.
        settle(now);
        if (vcpu.queued()) // paused or gone while it waited
            queue_.remove(vcpu);
        else
            bill(domain, running_.stop(vcpu, why, ran), now);
        if (!sched::still_runnable(why))
            return accounts_.sleeps(domain);
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
        const Nanos warped = domain_of(*vcpu).warped;
        accounts_.serves(domain_of(*vcpu), least && warped <= Nanos{},
                         running_.least_position(domain_of(*vcpu), accounts_.active()));
        place(domain_of(*vcpu));
        running_.start(pcpu, *vcpu, now);
        const Nanos slice = sched::Caps::slice(domain_of(*vcpu),
                                               warped > Nanos{} ? std::min(warped, allowance_) : allowance_);
        return {vcpu, impatient ? sched::least_slice : std::max(slice, sched::least_slice)};
    }

    void charge(Vcpu& vcpu, Nanos amount) { bill(domain_of(vcpu), amount, services_.now()); }

    void tune(Domain& domain) {
        accounts_.retune(domain);
        const bool released = queue_.retune(domain, services_.now());
        place(domain);
        if (released)
            running_.kick_idle(services_);
    }

  private:
    struct Earlier {
        bool operator()(const Domain& a, const Domain& b) const { return a.effective < b.effective; }
    };
    struct Later {
        bool operator()(const sched::Domain& a, const sched::Domain& b) const {
            return static_cast<const Domain&>(a).effective > static_cast<const Domain&>(b).effective;
        }
    };
    // On several pCPUs a domain that had more for its weight borrows nothing from one that uses all of its
    // part: a warp could not be paid back.
    [[nodiscard]] bool may_take(const Domain& taker, const Domain& owner) const {
        const std::int64_t active = accounts_.active();
        if (owner.effective <= taker.effective || running_.must_leave_to(owner, taker, active))
            return false;
        return taker.position <= owner.position || services_.pcpus() == 1 ||
               !running_.uses_its_part(owner, active);
    }
    static Domain& domain_of(const Vcpu& vcpu) { return static_cast<Domain&>(*vcpu.domain); }

    void place(Domain& domain) {
        domain.effective = domain.warped > Nanos{} ? domain.position - warp_ : domain.position;
        queue_.reorder(domain);
    }
    void bill(Domain& domain, Nanos time, RealTime now) {
        accounts_.bill(domain, time);
        queue_.spend(domain, time, now, running_);
        if (time > Nanos{})
            domain.warped = std::max(domain.warped - time, Nanos{});
        place(domain);
    }
    void settle(RealTime now) {
        running_.settle(now, [this, now](shares::Domain& domain, Nanos time) {
            bill(static_cast<Domain&>(domain), time, now);
        });
    }

    // A yield ends the warp and gives away what the domain is behind the next one, so that another vCPU
    // runs.
    void give_way(Domain& domain) {
        domain.warped = Nanos{};
        if (const Domain* next = queue_.order().first(); next != nullptr)
            domain.position = std::max(domain.position, next->position);
        place(domain);
    }

    sched::Services services_;
    shares::Running running_;
    Nanos allowance_, warp_, warp_limit_, unwarp_;
    shares::Accounts accounts_;
    shares::Queue<Domain, shares::Sorted<Domain, Earlier>> queue_;
};

} // namespace

BULKHEAD_SCHEDULER(Bvt)
