// The common part of policies that share by weight: the accounts of domains in virtual time, and a queue
// that holds the domains in some order and each domain's vCPUs in turn. Weight belongs to the domain, so the
// number of its vCPUs changes nothing, and every operation costs at most logarithmic time. It must never
// decide who preempts whom: that is the policies' difference.
#pragma once

#include "plugin/turns.hpp"
#include "sched/patience.hpp"

#include <span>
#include <utility>

namespace bulkhead::sched::shares {

struct ByOrder; // tag
using OrderHook = plugin::TreeHook<std::uint64_t, ByOrder>;

struct Vcpu : sched::Vcpu, plugin::TurnHook<>, PatientVcpu {
    [[nodiscard]] bool queued() const { return TurnHook::waits(); }
};

struct Domain : sched::Domain, OrderHook, PatientDomain<Vcpu> {
    VirtualTime position;     // CPU time of its vCPUs over its weight
    plugin::Turns<Vcpu> turn; // its queued vCPUs, next one first
    std::uint64_t reach;      // bit n: one of them may run on pCPU n
    std::uint32_t counted;    // its weight as the accounts last saw it
    RealTime paid_to;         // see Allowance
};

struct Pcpu : sched::Pcpu {
    Vcpu* running;
    RealTime since; // what it ran until then is billed
    Nanos billed;   // of this run
    bool claimed;   // kicked, and has not picked since
};

inline Domain& domain_of(const sched::Vcpu& vcpu) { return static_cast<Domain&>(*vcpu.domain); }

// CPU time as virtual time: 65,536 virtual nanoseconds for each at weight 1, so that rounding never matters.
constexpr Nanos scaled(Nanos time, std::uint32_t weight) { return time * 65'536 / weight; }
constexpr Nanos unscaled(Nanos virtual_time, std::uint32_t weight) { return virtual_time / 65'536 * weight; }

// Who had how much. The machine's own virtual time is the position of the domain it serves, as in start-time
// fair queuing (Goyal, Vin, Cheng, SIGCOMM 1996); that stays right when a weight is larger than what the
// domain's vCPUs can use on several pCPUs. No domain falls behind it by more than what is due to it in
// `saving` when all want to run: sleeping is no bank.
class Accounts {
  public:
    Accounts(std::uint32_t pcpus, Nanos saving) : pcpus_{pcpus}, saving_{saving} {}

    void attach(Domain& domain) {
        if (domain.vcpus == 1)
            retune(domain);
    }
    void detach(Domain& domain) {
        if (domain.vcpus == 1)
            count(domain, 0);
    }
    // One more of its vCPUs is runnable. `domain` is in no queue when its first one wakes.
    void wakes(Domain& domain) {
        if (domain.runnable++ == 0)
            domain.position = std::max(domain.position, floor());
    }
    void sleeps(Domain& domain) { --domain.runnable; }

    void bill(Domain& domain, Nanos time) const {
        domain.position = std::max(domain.position + scaled(time, domain.weight), floor());
    }
    // A vCPU of it is about to run. If it is the one that has had least, the machine's time is its position.
    void serves(Domain& domain, bool least) {
        if (least)
            clock_ = std::max(clock_, domain.position);
        domain.position = std::max(domain.position, floor());
    }

    // Its weight changed: what it is ahead or behind stays the same CPU time.
    void retune(Domain& domain) {
        domain.position = clock_ + scaled(unscaled(domain.position - clock_, domain.counted), domain.weight);
        weights_ += domain.weight - std::int64_t{domain.counted};
        domain.counted = domain.weight;
        most_behind_ = saving_ * 65'536 / std::max(weights_, std::int64_t{1}) * pcpus_;
    }

  private:
    void count(Domain& domain, std::uint32_t weight) {
        weights_ += std::int64_t{weight} - domain.counted;
        domain.counted = weight;
        most_behind_ = saving_ * 65'536 / std::max(weights_, std::int64_t{1}) * pcpus_;
    }
    [[nodiscard]] VirtualTime floor() const { return clock_ - most_behind_; }

    std::uint32_t pcpus_;
    Nanos saving_;
    VirtualTime clock_;
    std::int64_t weights_ = 0; // of all attached domains
    Nanos most_behind_;
};

// Domains in the order `Before`, which compares two of D; equal ones in the order in which they came.
template<class D, class Before>
class Sorted {
  public:
    void insert(D& domain) { domains_.insert(domain); }
    void erase(D& domain) { domains_.erase(domain); }
    void reached(D& domain) { domains_.changed(domain); } // its vCPUs may run on other pCPUs than before
    [[nodiscard]] D* first() const { return domains_.first(); }
    [[nodiscard]] D* first_for(PcpuId pcpu) const {
        if (D* const leader = first(); leader == nullptr || plugin::reaches(leader->reach, pcpu))
            return leader;
        return domains_.find([pcpu](std::uint64_t reach) { return plugin::reaches(reach, pcpu); });
    }

  private:
    struct Order {
        using Hook = OrderHook;
        static bool before(const D& a, const D& b) { return Before{}(a, b); }
        static std::uint64_t own(const D& domain) { return domain.reach; }
        static std::uint64_t join(std::uint64_t a, std::uint64_t b) { return a | b; }
    };
    plugin::Tree<D, Order> domains_;
};

// Queued vCPUs: their domains in an order like Sorted, inside a domain in turn. All costs are logarithmic.
template<class D, class Order>
class Queue {
  public:
    void attach(D& domain) { patience_.attach(domain); }
    void detach(D& domain) { patience_.detach(domain); }
    // Its weight has changed, and with it perhaps what the order compares.
    void retune(D& domain) {
        patience_.attach(domain);
        reorder(domain);
    }

    void push_back(Vcpu& vcpu, RealTime now) {
        own(vcpu).turn.push_back(vcpu);
        enter(vcpu, now);
    }
    void push_front(Vcpu& vcpu, RealTime now) {
        own(vcpu).turn.push_front(vcpu);
        enter(vcpu, now);
    }
    // One that has run and still wants to: its turn is not over if it was preempted.
    void push_again(Vcpu& vcpu, Stop why, RealTime now) {
        if (why == Stop::preempted)
            push_front(vcpu, now);
        else
            push_back(vcpu, now);
    }
    // One that leaves while it waits.
    void remove(Vcpu& vcpu) {
        patience_.leaves(vcpu);
        take_out(vcpu);
    }
    // What the order compares has changed.
    void reorder(D& domain) {
        if (!domain.OrderHook::in_tree())
            return;
        order_.erase(domain);
        order_.insert(domain);
    }
    // The next vCPU of a pCPU, taken out: of a domain that has waited too long, or the first in the order.
    struct Turn {
        Vcpu* vcpu;     // nullptr: none
        bool impatient; // the former: a least slice is its due
    };
    [[nodiscard]] Turn take_for(PcpuId pcpu, RealTime now) {
        Turn turn{patience_.overdue_for(pcpu, now), true};
        if (turn.vcpu == nullptr)
            turn = {first_for(pcpu), false};
        if (turn.vcpu != nullptr) {
            patience_.runs(*turn.vcpu, now);
            take_out(*turn.vcpu);
        }
        return turn;
    }
    [[nodiscard]] Order& order() { return order_; }

  private:
    [[nodiscard]] Vcpu* first_for(PcpuId pcpu) {
        D* const domain = order_.first_for(pcpu);
        return domain == nullptr ? nullptr : domain->turn.first_for(pcpu);
    }
    static D& own(const Vcpu& vcpu) { return static_cast<D&>(*vcpu.domain); }
    void enter(Vcpu& vcpu, RealTime now) {
        patience_.queues(vcpu, now);
        D& domain = own(vcpu);
        const auto before = std::exchange(domain.reach, domain.turn.reach());
        if (before == 0)
            order_.insert(domain);
        else if (before != domain.reach)
            order_.reached(domain);
    }
    void take_out(Vcpu& vcpu) {
        D& domain = own(vcpu);
        domain.turn.erase(vcpu);
        const auto before = std::exchange(domain.reach, domain.turn.reach());
        if (domain.reach == 0)
            order_.erase(domain);
        else if (before != domain.reach)
            order_.reached(domain);
    }

    Order order_;
    Patience<D, Vcpu> patience_;
};

// Who runs where, and what of that is not billed yet.
class Running {
  public:
    Running(const Services& services, Pcpu* pcpus) : pcpus_{pcpus}, count_{services.pcpus()} {}

    void start(Pcpu& pcpu, Vcpu& vcpu, RealTime now) {
        pcpu.running = &vcpu;
        pcpu.since = now;
        pcpu.billed = Nanos{};
        pcpu.claimed = false;
    }
    [[nodiscard]] Decision idle(Pcpu& pcpu) {
        pcpu.running = nullptr;
        pcpu.claimed = false;
        return Decision::idle();
    }
    // `vcpu` has stopped after `ran`: what remains to be billed (less than nothing if it was billed too
    // much).
    [[nodiscard]] Nanos stop(const Vcpu& vcpu, Nanos ran) {
        for (Pcpu& pcpu : all())
            if (pcpu.running == &vcpu) {
                pcpu.running = nullptr;
                return ran - pcpu.billed;
            }
        return ran;
    }
    // Bills all running vCPUs up to now, so that positions compare.
    template<class Bill>
    void settle(RealTime now, Bill&& bill) {
        for (Pcpu& pcpu : all())
            if (pcpu.running != nullptr) {
                const Nanos time = now - pcpu.since;
                pcpu.billed += time;
                pcpu.since = now;
                bill(domain_of(*pcpu.running), time);
            }
    }
    // The pCPU that `vcpu` may take whose domain comes first in the order `weaker`; nullptr if one is idle,
    // or all are about to pick anyway.
    template<class Weaker>
    [[nodiscard]] Pcpu* weakest_for(const Vcpu& vcpu, Weaker&& weaker) {
        Pcpu* weakest = nullptr;
        for (Pcpu& pcpu : all()) {
            if (!vcpu.may_run_on(pcpu.id))
                continue;
            if (pcpu.running == nullptr)
                return nullptr;
            if (!pcpu.claimed &&
                (weakest == nullptr || weaker(domain_of(*pcpu.running), domain_of(*weakest->running))))
                weakest = &pcpu;
        }
        return weakest;
    }

  private:
    [[nodiscard]] std::span<Pcpu> all() const { return {pcpus_, count_}; }
    Pcpu* pcpus_;
    std::uint32_t count_;
};

// How often a domain may preempt others on wake: once per `period` in the long run, `burst` times in a row.
// So a storm of wakes costs others no more than that many switches, and a vCPU that wakes seldom never waits.
class Allowance {
  public:
    Allowance(Nanos period, std::int64_t burst) : period_{period}, burst_{burst} {}
    [[nodiscard]] bool pay(Domain& domain, RealTime now) const {
        const RealTime paid = std::max(domain.paid_to, now);
        if (paid - now > period_ * (burst_ - 1))
            return false;
        domain.paid_to = paid + period_;
        return true;
    }

  private:
    Nanos period_;
    std::int64_t burst_;
};

} // namespace bulkhead::sched::shares
