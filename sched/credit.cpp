// In each round every active domain gets credit by its weight and pays for each nanosecond that its
// vCPUs run; debt is carried over. The domain with the most credit for its weight runs it off, and the next
// round begins when no domain has any left. A waking vCPU preempts at once, at most once per rate limit, if
// its domain has more of its share left than the running one. So neither waking often, nor dodging ticks,
// nor owning many vCPUs yields more than the weight.
//
// Paper:    L. Cherkasova, D. Gupta, A. Vahdat, "Comparison of the three CPU schedulers in Xen",
//           Performance Evaluation Review 35(2), 2007, for credit, weight and cap; M. Shreedhar, G.
//           Varghese, "Efficient fair queuing using deficit round robin", SIGCOMM 1995, for rounds with
//           carried debt.
// Good at:  shares by weight that no guest's behaviour changes, latency of mostly idle vCPUs next to
//           hogs, caps, thousands of vCPUs.
// Bad at:   vCPUs pinned to disjoint pCPUs (the machine has one round, so weights are then approximate),
//           caches (no memory of where a vCPU was warm).
// Bounds:   on one pCPU a domain that always wants to run gets its weight's part in any window, to
//           within two of its shares of a round plus one rate limit. A vCPU of a domain that uses less
//           than its share preempts hogs at once. It waits at most two graces (100 us) for each other
//           vCPU of its kind, and one rate limit if it wakes more often. No domain waits longer than
//           sched/patience.hpp says, plus the turns of other domains that did. On several pCPUs a
//           domain that has its weight's part of them, rounded up, takes none from a domain that can
//           use no more than its own part and has had at most 10 ms more.
#include "plugin/turns.hpp"
#include "sched/caps.hpp"
#include "sched/part.hpp"
#include "sched/patience.hpp"

#include <utility>

namespace {

using namespace bulkhead;
namespace intrusive = boost::intrusive;

constexpr Nanos grace = sched::least_slice; // of one light vCPU before another may take its pCPU

struct ByWaking; // tags
struct ByCredit;
struct ByRest;
using WakerHook = intrusive::list_base_hook<intrusive::tag<ByWaking>>;
using RestHook = intrusive::list_base_hook<intrusive::tag<ByRest>>;
using CreditHook = plugin::TreeHook<std::uint64_t, ByCredit>;

// CPU time for a weight as time for weight 1, times 65,536 so that rounding never matters, and back.
constexpr Nanos scaled(Nanos time, std::uint32_t weight) { return time * 65'536 / weight; }
constexpr Nanos unscaled(Nanos scaled_time, std::uint32_t weight) { return scaled_time / 65'536 * weight; }

class Credit : public sched::Policy {
  public:
    struct Pcpu;
    struct Vcpu : sched::Vcpu, plugin::TurnHook<>, WakerHook, sched::PatientVcpu {
        Pcpu* on;     // runs there, or was preempted there and waits
        bool boosted; // woke with the right to preempt
        [[nodiscard]] bool queued() const { return TurnHook::waits(); }
        [[nodiscard]] bool woken() const { return WakerHook::is_linked(); } // and is next in turn for it
    };
    using Wakers =
        intrusive::list<Vcpu, intrusive::base_hook<WakerHook>, intrusive::constant_time_size<true>>;
    // Its credit is how far its position is behind the clock, times its weight.
    struct Domain : sched::Domain, CreditHook, RestHook, sched::PatientDomain<Vcpu>, sched::CappedDomain {
        VirtualTime position;     // CPU time of its vCPUs over its weight
        plugin::Turns<Vcpu> turn; // its queued vCPUs but for those of `wakers`
        Wakers wakers;            // woke with credit, at most one for each pCPU
        std::uint64_t reach;      // bit n: a vCPU of `turn` may run on pCPU n
        RealTime boosted_to; // moves on one rate limit with each boost, ahead of now at most by the burst
        std::int64_t rests_since; // the round in which its last vCPU went to sleep
        std::uint32_t counted;    // its weight as the position knows it
        bool active;              // takes part in rounds: runnable, or was so in this one
    };
    struct Pcpu : sched::Pcpu {
        Vcpu* running;
        Vcpu* held;     // was preempted here just now, and may finish its protected time
        Vcpu* cut;      // ran here last without giving way, and waits
        RealTime began; // when the one that runs, or is held, was picked first
        RealTime since; // from there on it is not billed yet
        Nanos billed;   // of its turn so far
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
        .bad_at = "disjoint affinities, cache affinity",
        .source = "Cherkasova et al., Comparison of the three CPU schedulers in Xen, PER 2007; "
                  "Shreedhar and Varghese, Deficit round robin, SIGCOMM 1995",
    };

    explicit Credit(const sched::Setup<Credit>& setup)
        : services_{setup.services}, pcpus_{setup.pcpus}, round_{microseconds(setup.values[0])},
          rate_limit_{microseconds(setup.values[1])}, burst_{setup.values[2]}, caps_{round_} {}

    void attach(Vcpu& vcpu) {
        Domain& domain = domain_of(vcpu);
        domain.counted = domain.weight;
        patience_.attach(domain);
    }

    void detach(Vcpu& vcpu) {
        Domain& domain = domain_of(vcpu);
        patience_.detach(domain);
        if (domain.vcpus == 1 && domain.active)
            rest(domain);
    }

    void wake(Vcpu& vcpu, RealTime now) {
        Domain& domain = domain_of(vcpu);
        if (domain.runnable++ == 0)
            take_part(domain);
        patience_.queues(vcpu, now);
        if (!has_credit(domain) || !within_cap(domain, now) || domain.wakers.size() >= services_.pcpus())
            return queue_back(vcpu);
        Pcpu* const victim = weakest_for(vcpu, now);
        const bool outranks = victim != nullptr && standing_of(domain) >= standing_of(*victim, now);
        if (victim != nullptr && (!outranks || must_leave_to(domain_of(*victim->running), domain)))
            return queue_back(vcpu);
        vcpu.boosted = outranks && pay_boost(domain, now);
        domain.wakers.push_back(vcpu);
        (vcpu.boosted ? boosted_ : woken_).push_back(vcpu);
        if (outranks && !victim->claimed && (vcpu.boosted || victim->until > victim->began + rate_limit_)) {
            victim->claimed = true;
            services_.kick(victim->id);
        }
    }

    void deschedule(Vcpu& vcpu, sched::Stop why, Nanos ran, RealTime now) {
        Domain& domain = domain_of(vcpu);
        if (vcpu.queued()) { // paused or gone while it waited
            patience_.leaves(vcpu);
            leave_queue(vcpu);
        } else {
            vcpu.on->running = nullptr;
            ran -= std::exchange(vcpu.on->billed, Nanos{});
        }
        bill(domain, ran, now);
        if (sched::still_runnable(why))
            return requeue(vcpu, why, now);
        vcpu.on = nullptr;
        if (--domain.runnable == 0) {
            domain.rests_since = rounds_;
            resting_.push_back(domain);
        }
    }

    sched::Decision pick(Pcpu& pcpu, RealTime now) {
        pcpu.claimed = false;
        if (Vcpu* const overdue = patience_.overdue_for(pcpu.id, now); overdue != nullptr)
            return run(*overdue, pcpu, sched::least_slice, now);
        if (Vcpu* const waker = next_waker(pcpu, now); waker != nullptr)
            return run(*waker, pcpu, slice_of(*waker), now);
        settle_running(pcpu, now);
        Domain* const domain = next_domain(pcpu, now);
        if (domain == nullptr)
            return idle(now);
        if (unscaled(clock_ - domain->position, domain->weight) <= least_credit())
            start_round(*domain);
        Vcpu& vcpu = *served_before(*domain, pcpu).turn.first_for(pcpu.id);
        return run(vcpu, pcpu, slice_of(vcpu), now);
    }

    void charge(Vcpu& vcpu, Nanos amount) { bill(domain_of(vcpu), amount, services_.now()); }

    void tune(Domain& domain) {
        if (domain.vcpus == 0)
            return;
        caps_.restart(domain, services_.now());
        leave_order(domain);
        if (domain.active)
            active_ += std::int64_t{domain.weight} - domain.counted;
        const Nanos ahead = unscaled(domain.position - clock_, domain.counted);
        domain.position = clock_ + scaled(ahead, domain.weight);
        domain.counted = domain.weight;
        patience_.attach(domain);
        enter_order(domain);
        for (std::uint32_t i = 0; i < services_.pcpus(); ++i)
            if (pcpus_[i].running == nullptr) // a cap may have held back what it could run
                services_.kick(pcpus_[i].id);
    }

  private:
    static constexpr int most_moved = 8; // domains that one hook moves for the sake of others

    template<class Before>
    struct Order {
        using Hook = CreditHook;
        static bool before(const Domain& a, const Domain& b) { return Before{}(a, b); }
        static std::uint64_t own(const Domain& domain) { return domain.reach; }
        static std::uint64_t join(std::uint64_t a, std::uint64_t b) { return a | b; }
    };
    struct MoreCredit {
        bool operator()(const Domain& a, const Domain& b) const { return a.position < b.position; }
    };
    struct ParkedSooner {
        bool operator()(const Domain& a, const Domain& b) const { return a.parked_in < b.parked_in; }
    };

    static Domain& domain_of(const Vcpu& vcpu) { return static_cast<Domain&>(*vcpu.domain); }
    template<class Tree>
    static Domain* first_for(const Tree& tree, const Pcpu& pcpu) {
        if (Domain* const first = tree.first(); first == nullptr || plugin::reaches(first->reach, pcpu.id))
            return first;
        return tree.find([&pcpu](std::uint64_t reach) { return plugin::reaches(reach, pcpu.id); });
    }

    // Rounds. The clock is what they have given to each domain, over its weight.
    [[nodiscard]] Nanos gift() const { return round_ * 65'536 / std::max(active_, std::int64_t{1}); }
    [[nodiscard]] bool has_credit(const Domain& domain) const { return domain.position < clock_; }
    // Less is left for the next round: it would only be a switch more.
    [[nodiscard]] Nanos least_credit() const { return std::min(rate_limit_, round_) / 32; }
    // Nobody saves more than two shares of a round, or one rate limit.
    void forget_savings(Domain& domain) const {
        const Nanos most = std::max(given_ * 2, scaled(rate_limit_, domain.counted));
        domain.position = std::max(domain.position, clock_ - most);
    }
    // Begins as many rounds as this domain, the least indebted one, needs to have credit.
    void start_round(const Domain& domain) {
        ++rounds_;
        for (int i = 0; i < most_moved && !resting_.empty() && resting_.front().rests_since < rounds_ - 1;
             ++i)
            rest(resting_.front());
        given_ = gift();
        clock_ = std::max(clock_ + given_, domain.position + Nanos{1});
    }
    void take_part(Domain& domain) {
        if (domain.active) {
            resting_.erase(resting_.iterator_to(domain));
        } else {
            domain.active = true;
            active_ += domain.counted;
            given_ = std::min(given_, gift()); // the round is for one more
        }
        forget_savings(domain);
    }
    void rest(Domain& domain) {
        resting_.erase(resting_.iterator_to(domain));
        domain.active = false;
        active_ -= domain.counted;
    }

    void bill(Domain& domain, Nanos amount, RealTime now) {
        within_cap(domain, now, amount);
        domain.allowance -= amount;
        leave_order(domain);
        domain.position += scaled(amount, domain.counted);
        forget_savings(domain);
        if (!has_credit(domain) || sched::Caps::holds_back(domain))
            while (!domain.wakers.empty())
                queue_again(domain.wakers.front());
        enter_order(domain);
    }

    // A domain that waits here pays for what its vCPUs have run on other pCPUs by now. Else one with many
    // vCPUs would seem to have more credit than it has, until each of them stops.
    void settle_running(const Pcpu& here, RealTime now) {
        for (std::uint32_t i = 0; i < services_.pcpus(); ++i) {
            Pcpu& pcpu = pcpus_[i];
            if (&pcpu == &here || pcpu.running == nullptr)
                continue;
            Domain& domain = domain_of(*pcpu.running);
            const Nanos amount = now - pcpu.since;
            if (domain.reach == 0 || amount < sched::least_slice)
                continue;
            pcpu.since = now;
            pcpu.billed += amount;
            bill(domain, amount, now);
        }
    }

    // Whether its cap lets it run, of which `due` and the time of its running vCPUs is not billed yet.
    bool within_cap(Domain& domain, RealTime now, Nanos due = {}) const {
        if (domain.cap == 0)
            return true;
        if (caps_.period_at(now) != domain.period)
            caps_.renew(domain, now, due + unbilled(domain, now));
        return domain.allowance > Nanos{};
    }
    [[nodiscard]] Nanos unbilled(const Domain& domain, RealTime now) const {
        Nanos sum{};
        for (std::uint32_t i = 0; i < services_.pcpus(); ++i)
            if (pcpus_[i].running != nullptr && &domain_of(*pcpus_[i].running) == &domain)
                sum += now - pcpus_[i].since;
        return sum;
    }

    // The orders of domains: those that may run, and those that their caps hold back.
    void enter_order(Domain& domain) {
        if (domain.reach == 0)
            return;
        domain.parked = sched::Caps::holds_back(domain);
        if (domain.parked) {
            domain.parked_in = domain.period;
            patience_.suspend(domain);
            return parked_.insert(domain);
        }
        order_.insert(domain);
    }
    void leave_order(Domain& domain) {
        if (!domain.CreditHook::in_tree())
            return;
        if (!domain.parked)
            return order_.erase(domain);
        parked_.erase(domain);
        domain.parked = false;
        patience_.resume(domain, caps_.begin_of(domain.parked_in));
    }
    void reached(Domain& domain) {
        const auto before = std::exchange(domain.reach, domain.turn.reach());
        if (before == 0)
            enter_order(domain);
        else if (domain.reach != 0 && domain.reach != before)
            domain.parked ? parked_.changed(domain) : order_.changed(domain);
        else if (domain.reach == 0)
            leave_order(domain);
    }

    void queue_back(Vcpu& vcpu) {
        domain_of(vcpu).turn.push_back(vcpu);
        reached(domain_of(vcpu));
    }
    // It is no longer next in turn because it woke.
    void queue_again(Vcpu& vcpu) {
        Domain& domain = domain_of(vcpu);
        (std::exchange(vcpu.boosted, false) ? boosted_ : woken_).erase(vcpu);
        domain.wakers.erase(domain.wakers.iterator_to(vcpu));
        domain.turn.push_back(vcpu);
        domain.reach = domain.turn.reach();
    }
    void requeue(Vcpu& vcpu, sched::Stop why, RealTime now) {
        Domain& domain = domain_of(vcpu);
        patience_.queues(vcpu, now);
        if (why == sched::Stop::slice_end && may_wake_again(vcpu, now)) {
            domain.wakers.push_back(vcpu);
            return woken_.push_back(vcpu);
        }
        if (why == sched::Stop::yielded)
            give_way(domain);
        else
            vcpu.on->cut = &vcpu;
        if (why != sched::Stop::preempted || !has_credit(domain) || sched::Caps::holds_back(domain))
            return queue_back(vcpu);
        domain.turn.push_front(vcpu); // its turn is not over
        reached(domain);
        vcpu.on->held = &vcpu;
    }
    // Its turn was a grace, so that another vCPU that woke came soon. It has its own after that one's.
    [[nodiscard]] bool may_wake_again(const Vcpu& vcpu, RealTime now) const {
        Domain& domain = domain_of(vcpu);
        return vcpu.on->until - vcpu.on->began <= grace && has_credit(domain) && within_cap(domain, now) &&
               domain.wakers.size() < services_.pcpus();
    }
    // A yield gives away what the domain has more than the next one, so that another vCPU runs.
    void give_way(Domain& domain) {
        const Domain* const next = order_.first();
        if (next == nullptr || next->position <= domain.position)
            return;
        leave_order(domain);
        domain.position = next->position;
        enter_order(domain);
    }
    void leave_queue(Vcpu& vcpu) {
        Domain& domain = domain_of(vcpu);
        if (vcpu.woken()) {
            (vcpu.boosted ? boosted_ : woken_).erase(vcpu);
            domain.wakers.erase(domain.wakers.iterator_to(vcpu));
        } else {
            domain.turn.erase(vcpu);
            reached(domain);
        }
        vcpu.boosted = false;
        if (vcpu.on == nullptr)
            return;
        if (vcpu.on->held == &vcpu)
            vcpu.on->held = nullptr;
        if (vcpu.on->cut == &vcpu)
            vcpu.on->cut = nullptr;
    }

    bool pay_boost(Domain& domain, RealTime now) const {
        const RealTime paid = std::max(domain.boosted_to, now);
        const bool affordable = paid - now <= rate_limit_ * (burst_ - 1);
        domain.boosted_to = affordable ? paid + rate_limit_ : domain.boosted_to;
        return affordable;
    }

    // How much of its share a domain has left, up to one share: saving more gives no higher rank.
    [[nodiscard]] Nanos standing_of(const Domain& domain, Nanos unbilled = {}) const {
        return std::min(clock_ - domain.position - scaled(unbilled, domain.counted), gift());
    }
    [[nodiscard]] Nanos standing_of(const Pcpu& busy, RealTime now) const {
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

    // The one just preempted while it is protected, or one that woke.
    Vcpu* next_waker(const Pcpu& pcpu, RealTime now) {
        Vcpu* const waker = first_woken(pcpu);
        if (pcpu.held != nullptr && waker != nullptr && now - pcpu.began < protection(*pcpu.held, *waker))
            return pcpu.held;
        return waker != nullptr && waits_elsewhere(*waker, pcpu, now) ? nullptr : waker;
    }
    // One that may not preempt leaves the pCPU to the vCPU that was here if it can have that of a domain with
    // less left of its share, within a rate limit.
    bool waits_elsewhere(const Vcpu& waker, const Pcpu& here, RealTime now) {
        if (waker.boosted || here.cut == nullptr || domain_of(*here.cut).parked)
            return false;
        Pcpu* weakest = nullptr;
        Nanos least = standing_of(domain_of(*here.cut));
        for (std::uint32_t i = 0; i < services_.pcpus(); ++i) {
            Pcpu& pcpu = pcpus_[i];
            if (pcpu.running == nullptr || !waker.may_run_on(pcpu.id) || standing_of(pcpu, now) >= least)
                continue;
            weakest = &pcpu;
            least = standing_of(pcpu, now);
        }
        if (weakest != nullptr && !weakest->claimed && weakest->until > weakest->began + rate_limit_) {
            weakest->claimed = true;
            services_.kick(weakest->id);
        }
        return weakest != nullptr;
    }
    Vcpu* first_woken(const Pcpu& pcpu) {
        Vcpu* const boosted = boosted_.first_for(pcpu.id);
        return boosted != nullptr ? boosted : woken_.first_for(pcpu.id);
    }
    // Of those that may run here, the one with the most credit for its weight. A domain that its cap held
    // back in an earlier period is among them.
    Domain* next_domain(const Pcpu& pcpu, RealTime now) {
        for (int i = 0; i < most_moved; ++i) {
            Domain* const parked = first_for(parked_, pcpu);
            if (parked == nullptr || parked->parked_in >= caps_.period_at(now))
                break;
            leave_order(*parked);
            within_cap(*parked, now);
            enter_order(*parked);
        }
        return first_for(order_, pcpu);
    }
    // The domain that `first` must leave this pCPU to, or `first`.
    [[nodiscard]] Domain& served_before(Domain& first, const Pcpu& pcpu) const {
        if (pcpu.cut == nullptr)
            return first;
        Domain& last = domain_of(*pcpu.cut);
        return !last.parked && must_leave_to(last, first) ? last : first;
    }

    // Whether `taker` has its part of the machine without the pCPU of `owner`, which could not make up for
    // the time that `taker` has saved, and has not had more than is due to it.
    [[nodiscard]] bool must_leave_to(const Domain& owner, const Domain& taker) const {
        if (&owner == &taker ||
            !sched::uses_its_part(owner.runnable, owner.counted, active_, services_.pcpus()) ||
            unscaled(owner.position - taker.position, owner.counted) > sched::most_ahead)
            return false;
        auto taken = static_cast<std::int64_t>(taker.wakers.size());
        for (std::uint32_t i = 0; i < services_.pcpus(); ++i)
            taken += pcpus_[i].running != nullptr && &domain_of(*pcpus_[i].running) == &taker;
        return sched::has_its_part(taken, taker.counted, active_, services_.pcpus());
    }

    // How long `vcpu` may run in one go now that `waker` waits.
    [[nodiscard]] Nanos protection(const Vcpu& vcpu, const Vcpu& waker) const {
        if (!waker.boosted)
            return rate_limit_;
        return standing_of(domain_of(vcpu)) < standing_of(domain_of(waker)) ? Nanos{} : grace;
    }

    [[nodiscard]] Nanos slice_of(const Vcpu& vcpu) const {
        const Domain& domain = domain_of(vcpu);
        const Nanos credit = unscaled(clock_ - domain.position, domain.counted);
        const Nanos slice = std::clamp(credit, rate_limit_, std::max(round_, rate_limit_));
        return domain.cap != 0 ? std::min(slice, domain.allowance) : slice;
    }
    sched::Decision run(Vcpu& vcpu, Pcpu& pcpu, Nanos slice, RealTime now) {
        const bool goes_on = pcpu.held == &vcpu;
        patience_.runs(vcpu, now);
        leave_queue(vcpu);
        pcpu.held = nullptr;
        pcpu.running = &vcpu;
        pcpu.began = goes_on ? pcpu.began : now;
        pcpu.since = now;
        vcpu.on = &pcpu;
        if (const Vcpu* waker = first_woken(pcpu); waker != nullptr)
            slice = std::min(slice, protection(vcpu, *waker) - (now - pcpu.began));
        slice = std::max(slice, sched::least_slice);
        pcpu.until = now + slice;
        return {&vcpu, slice};
    }

    [[nodiscard]] sched::Decision idle(RealTime now) const {
        return parked_.empty() ? sched::Decision::idle() : caps_.idle(now);
    }

    sched::Services services_;
    Pcpu* pcpus_;
    Nanos round_, rate_limit_;
    std::int64_t burst_, rounds_ = 0;
    sched::Caps caps_;
    VirtualTime clock_;
    Nanos given_;             // by the last round, over the weight
    std::int64_t active_ = 0; // weights of the domains that take part
    sched::Patience<Domain, Vcpu> patience_;
    plugin::Tree<Domain, Order<MoreCredit>> order_;
    plugin::Tree<Domain, Order<ParkedSooner>> parked_;
    plugin::Turns<Vcpu> boosted_, woken_; // woke with credit: next in turn, boosted ones first
    intrusive::list<Domain, intrusive::base_hook<RestHook>, intrusive::constant_time_size<false>> resting_;
};

} // namespace

BULKHEAD_SCHEDULER(Credit)
