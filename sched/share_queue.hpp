// The queue of policies that share by weight: domains in some order, each domain's vCPUs in turn. Domains
// that their caps hold back are in no order until their next period. It must never decide who preempts whom:
// that is the policies' difference.
#pragma once

#include "sched/running.hpp"

#include <utility>

namespace bulkhead::sched::shares {

// Queued vCPUs: their domains in an order like Sorted, inside a domain in turn. All costs are logarithmic.
template<class D, class Order>
class Queue {
  public:
    void attach(D& domain) { patience_.attach(domain); }
    void detach(D& domain) { patience_.detach(domain); }
    // Its weight has changed, and with it perhaps what the order compares, or its cap. True if the former cap
    // held it back and the new one does not: an idle pCPU may have something to run.
    [[nodiscard]] bool retune(D& domain, RealTime now) {
        const bool held = domain.parked;
        patience_.attach(domain);
        caps_.restart(domain, now);
        reorder(domain);
        return held && !domain.parked;
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
        leave_order(domain);
        enter_order(domain);
    }
    // Its vCPUs have run for `amount`, and besides as long as `running` has not billed.
    void spend(D& domain, Nanos amount, RealTime now, const Running& running) {
        if (domain.cap != 0)
            pay(domain, amount, now, running.unbilled(domain, now));
    }
    void spend(D& domain, Nanos amount, RealTime now) {
        if (domain.cap != 0)
            pay(domain, amount, now, Nanos{});
    }
    // Whether its cap lets it run now; all that it has run is billed.
    [[nodiscard]] bool may_run(D& domain, RealTime now) const {
        caps_.renew(domain, now, Nanos{});
        return !Caps::holds_back(domain);
    }
    // What a pCPU does for which no vCPU was found.
    [[nodiscard]] Decision idle(RealTime now) const {
        return parked_.first() == nullptr ? Decision::idle() : caps_.idle(now);
    }
    // The next vCPU of a pCPU, taken out: of a domain that has waited too long, or the first in the order.
    struct Turn {
        Vcpu* vcpu;     // nullptr: none
        bool impatient; // the former: a least slice is its due
        bool least;     // the latter, not one that it left the pCPU to
    };
    [[nodiscard]] Turn take_for(PcpuId pcpu, RealTime now) {
        return take_for(pcpu, now, [](Vcpu* first) { return first; });
    }
    // The same, but a pCPU is left to the vCPU whose turn was cut short here, where `running` says so.
    [[nodiscard]] Turn take_for(Pcpu& pcpu, RealTime now, const Running& running, std::int64_t active) {
        pcpu.claimed = nullptr;
        return take_for(pcpu.id, now, [&](Vcpu* first) {
            Vcpu* const cut = pcpu.cut;
            const bool stays = first != nullptr && cut != nullptr && !own(*cut).parked &&
                               running.must_leave_to(own(*cut), own(*first), active);
            return stays ? cut : first;
        });
    }
    [[nodiscard]] Order& order() { return order_; }

  private:
    template<class Choose>
    [[nodiscard]] Turn take_for(PcpuId pcpu, RealTime now, Choose&& choose) {
        Turn turn{patience_.overdue_for(pcpu, now), true, false};
        if (turn.vcpu == nullptr) {
            release(now);
            Vcpu* const first = first_for(pcpu);
            Vcpu* const chosen = choose(first);
            turn = {chosen, false, chosen == first};
        }
        if (turn.vcpu != nullptr) {
            patience_.runs(*turn.vcpu, now);
            take_out(*turn.vcpu);
        }
        return turn;
    }
    [[nodiscard]] Vcpu* first_for(PcpuId pcpu) {
        D* const domain = order_.first_for(pcpu);
        return domain == nullptr ? nullptr : domain->turn.first_for(pcpu);
    }
    static constexpr int most_released = 8; // domains that one pick looks at for the sake of others
    struct ParkedSooner {
        bool operator()(const D& a, const D& b) const { return a.parked_in < b.parked_in; }
    };

    void pay(D& domain, Nanos amount, RealTime now, Nanos unbilled) {
        caps_.renew(domain, now, std::max(amount + unbilled, Nanos{}));
        domain.allowance -= amount;
    }
    static D& own(const Vcpu& vcpu) { return static_cast<D&>(*vcpu.domain); }
    void enter_order(D& domain) {
        domain.parked = Caps::holds_back(domain);
        if (!domain.parked) [[likely]]
            return order_.insert(domain);
        domain.parked_in = domain.period;
        patience_.suspend(domain);
        parked_.insert(domain);
    }
    void leave_order(D& domain) {
        if (!domain.parked) [[likely]]
            return order_.erase(domain);
        parked_.erase(domain);
        domain.parked = false;
        patience_.resume(domain, caps_.begin_of(domain.parked_in));
    }
    void reached(D& domain) { domain.parked ? parked_.reached(domain) : order_.reached(domain); }
    // Domains that their caps held back in an earlier period may run again.
    void release(RealTime now) {
        for (int i = 0; i < most_released; ++i) {
            D* const parked = parked_.first();
            if (parked == nullptr || parked->parked_in >= caps_.period_at(now)) [[likely]]
                return;
            leave_order(*parked);
            caps_.renew(*parked, now, Nanos{});
            enter_order(*parked);
        }
    }
    void enter(Vcpu& vcpu, RealTime now) {
        patience_.queues(vcpu, now);
        D& domain = own(vcpu);
        const auto before = std::exchange(domain.reach, domain.turn.reach());
        if (before == 0) {
            caps_.renew(domain, now, Nanos{});
            enter_order(domain);
        } else if (before != domain.reach) {
            reached(domain);
        }
    }
    void take_out(Vcpu& vcpu) {
        D& domain = own(vcpu);
        domain.turn.erase(vcpu);
        if (Pcpu* const pcpu = std::exchange(vcpu.cut_on, nullptr); pcpu != nullptr)
            pcpu->cut = nullptr;
        const auto before = std::exchange(domain.reach, domain.turn.reach());
        if (domain.reach == 0)
            leave_order(domain);
        else if (before != domain.reach)
            reached(domain);
    }

    Caps caps_{milliseconds(10)};
    Order order_;
    Sorted<D, ParkedSooner> parked_;
    Patience<D, Vcpu> patience_;
};

} // namespace bulkhead::sched::shares
