// In each round every active domain gets credit by its weight and pays for each nanosecond that its
// vCPUs run; debt is carried over. A domain without credit waits for the next round, which begins when
// no runnable domain has credit left. A waking vCPU preempts at once, at most once per rate limit, if its
// domain has more of its share left than the running one. So neither waking often, nor dodging ticks,
// nor owning many vCPUs yields more than the weight.
//
// Paper:    L. Cherkasova, D. Gupta, A. Vahdat, "Comparison of the three CPU schedulers in Xen",
//           Performance Evaluation Review 35(2), 2007, for credit, weight and cap; M. Shreedhar, G.
//           Varghese, "Efficient fair queuing using deficit round robin", SIGCOMM 1995, for rounds with
//           carried debt.
// Good at:  shares by weight that no guest's behaviour changes, latency of mostly idle vCPUs next to
//           hogs, caps.
// Bad at:   vCPUs pinned to disjoint pCPUs (the machine has one round, so weights are then approximate),
//           many hundreds of vCPUs (a pick may look at each), caches (no memory of where a vCPU was
//           warm).
// Bounds:   on one pCPU a domain that always wants to run gets its weight's part in any window, to
//           within two of its shares of a round plus one rate limit. A vCPU of a domain that uses less
//           than its share preempts hogs at once. It waits at most two graces (100 us) for each other
//           vCPU of its kind, and one rate limit if it wakes more often. No vCPU waits a second longer
//           than other vCPUs that did.
#include "sched/contract.hpp"

#include <algorithm>
#include <boost/intrusive/list.hpp>

namespace {

using namespace bulkhead;
namespace intrusive = boost::intrusive;

// Unlinks itself from whichever list it is in; is_linked() means queued.
using Hook = intrusive::list_base_hook<intrusive::link_mode<intrusive::auto_unlink>>;

constexpr Nanos grace = sched::least_slice;     // of one light vCPU before another may take its pCPU
constexpr Nanos patience = milliseconds(1'000); // a vCPU that waits longer gets a turn, for any weight

class Credit : public sched::Policy {
  public:
    struct Pcpu;
    struct Domain : sched::Domain, Hook {
        Nanos credit;           // what its vCPUs may still run; negative: they ran ahead
        Nanos share;            // what a round gives it
        Nanos allowance;        // under a cap: what is left of this period
        std::int64_t period;    // of the allowance
        RealTime boosted_to;    // moves on one rate limit with each boost, ahead of now at most by the burst
        std::uint32_t runnable; // vCPUs queued or running
        std::uint32_t attached;
        bool used; // ran since the last round began
    };
    struct Vcpu : sched::Vcpu, Hook {
        Pcpu* on; // runs there, or was preempted there and waits
        RealTime queued_at;
        bool boosted; // woke with the right to preempt
    };
    struct Pcpu : sched::Pcpu {
        Vcpu* running;
        Vcpu* held;     // was preempted here just now, and may finish its protected time
        RealTime began; // when the one that runs, or is held, was picked first
        RealTime since; // when it was picked last: from there on it is not billed yet
        RealTime until; // when its slice ends
        bool claimed;   // kicked, and has not picked since
    };

    static constexpr plugin::Parameter parameters[] = {
        {"round", "us", "CPU time that a round distributes, and the period of caps", 10'000, 1'000, 100'000},
        {"rate_limit", "us", "a domain preempts others at most once per this time", 1'000, 100, 20'000},
        {"burst", "1", "preemptions that a domain may save up", 8, 1, 64},
    };
    static constexpr sched::Text text{
        .name = "credit",
        .summary = "shares by weight with exact billing, caps, and a rate-limited boost on wake",
        .good_at = "shares that no guest changes, wake-up latency next to hogs, caps",
        .bad_at = "disjoint affinities, many hundreds of vCPUs, cache affinity",
        .source = "Cherkasova et al., Comparison of the three CPU schedulers in Xen, PER 2007; "
                  "Shreedhar and Varghese, Deficit round robin, SIGCOMM 1995",
    };

    explicit Credit(const sched::Setup<Credit>& setup)
        : services_{setup.services}, pcpus_{setup.pcpus}, round_{microseconds(setup.values[0])},
          rate_limit_{microseconds(setup.values[1])}, burst_{setup.values[2]} {}

    void attach(Vcpu& vcpu) {
        if (domain_of(vcpu).attached++ == 0)
            domains_.push_back(domain_of(vcpu));
    }

    void detach(Vcpu& vcpu) {
        if (--domain_of(vcpu).attached == 0)
            domain_of(vcpu).unlink();
    }

    void wake(Vcpu& vcpu, RealTime now) {
        Domain& domain = domain_of(vcpu);
        if (domain.runnable++ == 0 && !domain.used)
            set_shares(); // one more takes part
        vcpu.queued_at = now;
        if (domain.credit <= Nanos{} || !within_cap(domain, now))
            return ready_.push_back(vcpu);
        woken_.push_back(vcpu);
        Pcpu* victim = weakest_for(vcpu, now);
        if (victim == nullptr || standing_of(domain) < standing_of(*victim, now))
            return;
        vcpu.boosted = pay_boost(domain, now);
        if (vcpu.boosted)
            boosted_.splice(boosted_.end(), woken_, woken_.iterator_to(vcpu));
        if (!victim->claimed && (vcpu.boosted || victim->until > victim->began + rate_limit_)) {
            victim->claimed = true;
            services_.kick(victim->id);
        }
    }

    void deschedule(Vcpu& vcpu, sched::Stop why, Nanos ran, RealTime now) {
        bill(domain_of(vcpu), ran, now);
        if (vcpu.is_linked()) // paused or gone while it waited
            leave_queue(vcpu);
        else
            vcpu.on->running = nullptr;
        if (sched::still_runnable(why))
            return requeue(vcpu, why, now);
        --domain_of(vcpu).runnable;
        vcpu.on = nullptr;
    }

    sched::Decision pick(Pcpu& pcpu, RealTime now) {
        pcpu.claimed = false;
        if (const std::int64_t period = period_at(now); period != period_) {
            period_ = period; // those whom a cap held back may run again
            ready_.splice(ready_.end(), spent_);
        }
        Vcpu* vcpu = choose(pcpu, now);
        if (vcpu == nullptr && start_round(pcpu, now))
            vcpu = choose(pcpu, now);
        return vcpu == nullptr ? idle(now) : run(*vcpu, pcpu, now);
    }

    void charge(Vcpu& vcpu, Nanos amount) { bill(domain_of(vcpu), amount, services_.now()); }

    void tune(Domain& domain) {
        domain.period = period_at(services_.now());
        domain.allowance = quota(domain);
        ready_.splice(ready_.end(), spent_);
        for (std::uint32_t i = 0; i < services_.pcpus(); ++i)
            if (pcpus_[i].running == nullptr) // a cap may have held back what it could run
                services_.kick(pcpus_[i].id);
    }

  private:
    using Queue = intrusive::list<Vcpu, intrusive::constant_time_size<false>>;

    static Domain& domain_of(const Vcpu& vcpu) { return static_cast<Domain&>(*vcpu.domain); }

    std::int64_t period_at(RealTime now) const { return now.since_start().count() / round_.count(); }

    void bill(Domain& domain, Nanos amount, RealTime now) {
        domain.credit -= amount;
        domain.used = true;
        within_cap(domain, now);
        domain.allowance -= amount;
    }

    [[nodiscard]] Nanos quota(const Domain& domain) const { return round_ * domain.cap / 100; }

    // Brings the allowance up to the present period; an unused rest is lost, an overdraft is carried over.
    bool within_cap(Domain& domain, RealTime now) const {
        if (domain.cap == 0)
            return true;
        const std::int64_t period = period_at(now);
        domain.allowance =
            std::min(domain.allowance + quota(domain) * (period - domain.period), quota(domain));
        domain.period = period;
        return domain.allowance > Nanos{};
    }

    // Gives all domains as many rounds' shares as the least indebted candidate for this pCPU needs, or, so
    // that it is done seldom, a turn. Savings are bounded. False if no vCPU may run.
    bool start_round(const Pcpu& pcpu, RealTime now) {
        ready_.splice(ready_.end(), spent_);
        set_shares();
        std::int64_t rounds = INT64_MAX, largest = 1;
        for (const Vcpu& vcpu : ready_)
            if (Domain& domain = domain_of(vcpu); vcpu.may_run_on(pcpu.id) && within_cap(domain, now)) {
                const auto debt = std::max(-domain.credit, Nanos{});
                rounds = std::min(rounds, 1 + debt.count() / domain.share.count());
                largest = std::max(largest, domain.share.count());
            }
        if (rounds == INT64_MAX)
            return false;
        rounds = std::max(rounds, rate_limit_.count() / largest);
        for (Domain& domain : domains_) {
            const Nanos most = std::max(domain.share * 2, rate_limit_);
            domain.credit = std::min(domain.credit + domain.share * rounds, most);
            domain.used = false;
        }
        promote_the_patient(now);
        return true;
    }

    // Shares out the round among those that take part. Credit left shrinks or grows alike; debts stay.
    void set_shares() {
        std::int64_t active = 1; // so that nothing is divided by zero
        for (const Domain& domain : domains_)
            active += domain.runnable > 0 || domain.used ? domain.weight : 0;
        for (Domain& domain : domains_) {
            const Nanos share = std::clamp(round_ * domain.weight / active, Nanos{1}, round_);
            if (domain.share == Nanos{})
                domain.credit = share * 2; // as one that saved all it may
            else if (domain.credit > Nanos{})
                domain.credit = domain.credit * share.count() / domain.share.count();
            domain.share = share;
        }
    }

    void promote_the_patient(RealTime now) {
        for (auto next = ready_.begin(); next != ready_.end();)
            if (Vcpu& vcpu = *next++; now - vcpu.queued_at > patience && within_cap(domain_of(vcpu), now))
                woken_.splice(woken_.end(), ready_, ready_.iterator_to(vcpu));
    }

    bool pay_boost(Domain& domain, RealTime now) const {
        const RealTime paid = std::max(domain.boosted_to, now);
        const bool affordable = paid - now <= rate_limit_ * (burst_ - 1);
        domain.boosted_to = affordable ? paid + rate_limit_ : domain.boosted_to;
        return affordable;
    }

    // How much of its share a domain has left, up to one share: saving more gives no higher rank.
    struct Standing {
        std::int64_t left, share;
        friend bool operator<(Standing a, Standing b) { return a.left * b.share < b.left * a.share; }
    };
    static Standing standing_of(const Domain& domain, Nanos unbilled = {}) {
        return {std::min(domain.credit - unbilled, domain.share).count(), domain.share.count()};
    }
    static Standing standing_of(const Pcpu& busy, RealTime now) {
        return standing_of(domain_of(*busy.running), now - busy.since);
    }

    // The pCPU whose vCPU has the least claim to it, unclaimed ones first; nullptr if one is idle.
    Pcpu* weakest_for(const Vcpu& vcpu, RealTime now) const {
        Pcpu* weakest = nullptr;
        for (std::uint32_t i = 0; i < services_.pcpus(); ++i) {
            Pcpu& pcpu = pcpus_[i];
            if (!vcpu.may_run_on(pcpu.id))
                continue;
            if (pcpu.running == nullptr)
                return nullptr;
            if (weakest == nullptr || (weakest->claimed && !pcpu.claimed) ||
                (weakest->claimed == pcpu.claimed && standing_of(pcpu, now) < standing_of(*weakest, now)))
                weakest = &pcpu;
        }
        return weakest;
    }

    void requeue(Vcpu& vcpu, sched::Stop why, RealTime now) {
        vcpu.queued_at = now;
        if (why == sched::Stop::yielded)
            return spent_.push_back(vcpu); // until every other vCPU has had a turn
        if (domain_of(vcpu).credit <= Nanos{} || (why == sched::Stop::slice_end && is_outranked(vcpu)))
            return ready_.push_back(vcpu);
        ready_.push_front(vcpu); // its turn is not over
        if (why == sched::Stop::preempted)
            vcpu.on->held = &vcpu;
    }

    // Nobody lives on the rounds that another pCPU begins while the next in turn here has as much.
    [[nodiscard]] bool is_outranked(const Vcpu& vcpu) const {
        for (const Vcpu& next : ready_)
            if (next.may_run_on(vcpu.on->id) && domain_of(next).credit > Nanos{})
                return !(standing_of(domain_of(next)) < standing_of(domain_of(vcpu)));
        return false;
    }

    static void leave_queue(Vcpu& vcpu) {
        vcpu.unlink();
        vcpu.boosted = false;
        if (vcpu.on != nullptr && vcpu.on->held == &vcpu)
            vcpu.on->held = nullptr;
    }

    // In this order: the one just preempted while it is protected, those that woke, those with credit.
    Vcpu* choose(Pcpu& pcpu, RealTime now) {
        Vcpu* waker = first_woken(pcpu);
        if (pcpu.held != nullptr && waker != nullptr && now - pcpu.began < protection(*pcpu.held, *waker))
            return pcpu.held;
        if (waker != nullptr)
            return waker;
        for (auto next = ready_.begin(); next != ready_.end();) {
            Vcpu& vcpu = *next++;
            if (domain_of(vcpu).credit <= Nanos{} || !within_cap(domain_of(vcpu), now)) {
                vcpu.unlink();
                spent_.push_back(vcpu);
            } else if (vcpu.may_run_on(pcpu.id)) {
                return &vcpu;
            }
        }
        return nullptr;
    }

    Vcpu* first_woken(const Pcpu& pcpu) {
        for (Queue* queue : {&boosted_, &woken_})
            for (Vcpu& vcpu : *queue)
                if (vcpu.may_run_on(pcpu.id))
                    return &vcpu;
        return nullptr;
    }

    // How long `vcpu` may run in one go now that `waker` waits.
    [[nodiscard]] Nanos protection(const Vcpu& vcpu, const Vcpu& waker) const {
        if (!waker.boosted)
            return rate_limit_;
        return standing_of(domain_of(vcpu)) < standing_of(domain_of(waker)) ? Nanos{} : grace;
    }

    sched::Decision run(Vcpu& vcpu, Pcpu& pcpu, RealTime now) {
        const bool goes_on = pcpu.held == &vcpu;
        leave_queue(vcpu);
        pcpu.held = nullptr;
        pcpu.running = &vcpu;
        pcpu.began = goes_on ? pcpu.began : now;
        pcpu.since = now;
        vcpu.on = &pcpu;
        const Domain& domain = domain_of(vcpu);
        Nanos slice = std::clamp(domain.credit, rate_limit_, std::max(round_, rate_limit_));
        if (const Vcpu* waker = first_woken(pcpu); waker != nullptr)
            slice = std::min(slice, protection(vcpu, *waker) - (now - pcpu.began));
        if (domain.cap != 0)
            slice = std::min(slice, domain.allowance);
        slice = std::max(slice, sched::least_slice);
        pcpu.until = now + slice;
        return {&vcpu, slice};
    }

    sched::Decision idle(RealTime now) const {
        if (spent_.empty() && ready_.empty())
            return sched::Decision::idle();
        const RealTime next_period = RealTime{} + round_ * (period_at(now) + 1);
        return {nullptr, std::max(next_period - now, sched::least_slice)};
    }

    sched::Services services_;
    Pcpu* pcpus_;
    Nanos round_, rate_limit_;
    std::int64_t burst_, period_ = 0;
    intrusive::list<Domain, intrusive::constant_time_size<false>> domains_;
    Queue boosted_, woken_; // woke with credit: next in turn, boosted ones first
    Queue ready_;           // in turn
    Queue spent_;           // found without credit, held back by a cap, or yielded: next round
};

} // namespace

BULKHEAD_SCHEDULER(Credit)
