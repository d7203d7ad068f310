// Which vCPU of a policy that shares by weight runs on which pCPU, and how often a domain may preempt others.
#pragma once

#include "sched/part.hpp"
#include "sched/shares.hpp"

#include <span>

namespace bulkhead::sched::shares {

// Who runs where, and what of that is not billed yet.
class Running {
  public:
    Running(const Services& services, Pcpu* pcpus) : pcpus_{pcpus}, count_{services.pcpus()} {}

    void start(Pcpu& pcpu, Vcpu& vcpu, RealTime now) {
        pcpu.running = &vcpu;
        pcpu.since = now;
        pcpu.billed = Nanos{};
        pcpu.claimed = nullptr;
    }
    void idle(Pcpu& pcpu) {
        pcpu.running = nullptr;
        pcpu.claimed = nullptr;
    }
    // `vcpu` has stopped after `ran`: what remains to be billed (less than nothing if it was billed too
    // much).
    [[nodiscard]] Nanos stop(Vcpu& vcpu, Stop why, Nanos ran) {
        for (Pcpu& pcpu : all())
            if (pcpu.running == &vcpu) {
                pcpu.running = nullptr;
                if (still_runnable(why) && why != Stop::yielded)
                    cut(pcpu, vcpu);
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
    // What vCPUs of the domain have run until now and nobody has billed.
    [[nodiscard]] Nanos unbilled(const Domain& domain, RealTime now) const {
        Nanos sum{};
        for (const Pcpu& pcpu : all())
            if (pcpu.running != nullptr && pcpu.running->domain == &domain)
                sum += now - pcpu.since;
        return sum;
    }
    void kick_idle(const Services& services) const {
        for (const Pcpu& pcpu : all())
            if (pcpu.running == nullptr)
                services.kick(pcpu.id);
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
            if (pcpu.claimed == nullptr &&
                (weakest == nullptr || weaker(domain_of(*pcpu.running), domain_of(*weakest->running))))
                weakest = &pcpu;
        }
        return weakest;
    }

    [[nodiscard]] bool uses_its_part(const Domain& owner, std::int64_t active) const {
        return sched::uses_its_part(owner.runnable, owner.weight, active, count_);
    }
    // Whether `taker` has its part of the machine without the pCPU of `owner`, which could not make up for
    // the time that `taker` has saved, and has not had more than is due to it.
    [[nodiscard]] bool must_leave_to(const Domain& owner, const Domain& taker, std::int64_t active) const {
        if (&owner == &taker || !uses_its_part(owner, active) ||
            unscaled(owner.position - taker.position, owner.weight) > most_ahead)
            return false;
        std::int64_t taken = 0;
        for (const Pcpu& pcpu : all())
            taken += pcpu.claimed == &taker ||
                     (pcpu.claimed == nullptr && pcpu.running != nullptr && pcpu.running->domain == &taker);
        return has_its_part(taken, taker.weight, active, count_);
    }

    // The least position of `served` and of those running domains that can use their part of the pCPUs.
    [[nodiscard]] VirtualTime least_position(const Domain& served, std::int64_t active) const {
        VirtualTime least = served.position;
        for (const Pcpu& pcpu : all())
            if (pcpu.running != nullptr)
                if (const Domain& domain = domain_of(*pcpu.running);
                    has_its_part(domain.runnable, domain.weight, active, count_))
                    least = std::min(least, domain.position);
        return least;
    }

  private:
    static void cut(Pcpu& pcpu, Vcpu& vcpu) {
        if (pcpu.cut != nullptr)
            pcpu.cut->cut_on = nullptr;
        pcpu.cut = &vcpu;
        vcpu.cut_on = &pcpu;
    }
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
