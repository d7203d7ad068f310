// Each vCPU of a domain with a budget is a deferrable server: in each period it may run for the budget,
// at any time, and a new period brings the whole budget back. Of the servers with budget left, the one
// whose period ends first runs (earliest deadline first), on any pCPU. vCPUs without a budget, or with
// their budget used up, get the remaining time in turn.
//
// Paper:    S. Xi, M. Xu, C. Lu, L. T. X. Phan, C. Gill, O. Sokolsky, I. Lee, "Real-time multi-core
//           virtual machine scheduling in Xen", EMSOFT 2014; I. Shin, I. Lee, "Periodic resource model
//           for compositional real-time guarantees", RTSS 2003, for the supply bound.
// Good at:  guarantees that do not depend on other guests, if the reservations fit.
// Bad at:   shares without reservations (weights and caps are ignored), overload: the latest deadlines
//           get least.
// Bounds:   on one pCPU, if budgets over periods add up to at most 1, a server gets at least the supply
//           bound of (period, budget) in any window in which it always wants to run, less one least
//           slice (50 us) and the switches. What the hypervisor or domain 0 does for it is part of that. On
//           several pCPUs the bound of global EDF holds instead. Where reservations leave nothing, each
//           domain without one gets a least slice per second, as sched/patience.hpp says, which the servers
//           miss.
#include "plugin/turns.hpp"
#include "sched/patience.hpp"

#include <algorithm>
#include <span>

namespace {

using namespace bulkhead;

using DeadlineHook = plugin::TreeHook<std::uint64_t>;

class Rtds : public sched::Policy {
  public:
    struct Vcpu : sched::Vcpu, DeadlineHook, plugin::TurnHook<>, sched::PatientVcpu {
        Nanos budget;      // left in this period; less than nothing: it ran over
        Nanos turn;        // left of its turn in what is left over
        RealTime deadline; // end of this period
        bool reserved;     // runs, or is queued, on its budget
        bool depleted;     // queued, and waits for its next period
        [[nodiscard]] bool queued() const { return waits() || reserved || depleted; }
        // Queued without a reservation.
        [[nodiscard]] bool patient() const { return sched::AgeHook::is_linked(); }
    };
    struct Domain : sched::Domain, sched::PatientDomain<Vcpu> {};
    struct Pcpu : sched::Pcpu {
        Vcpu* running;
        bool claimed; // kicked, and has not picked since
    };

    static constexpr bool work_conserving = false; // with extra=0
    static constexpr bool honours_weights = false;
    static constexpr bool honours_caps = false;
    static constexpr bool changes_values = false;
    static constexpr plugin::Parameter parameters[] = {
        {"extra", "1", "1: a vCPU without budget left takes part in the remaining time", 1, 0, 1},
        {"slice", "us", "part of the remaining time that a vCPU runs before the next one's turn", 5'000, 100,
         50'000},
    };
    static constexpr plugin::Parameter domain_parameters[] = {
        {"budget", "us", "CPU time of each of its vCPUs in every period; 0: no reservation", 0, 0, 1'000'000},
        {"period", "us", "time after which the budget comes back", 10'000, 200, 1'000'000},
    };
    static constexpr sched::Text text{
        .name = "rtds",
        .summary = "deferrable servers: budget and period for each vCPU, earliest deadline first",
        .good_at = "guarantees independent of other guests, real-time guests",
        .bad_at = "weights and caps (ignored), overload",
        .source = "Xi et al., Real-time multi-core virtual machine scheduling in Xen, EMSOFT 2014",
    };

    explicit Rtds(const sched::Setup<Rtds>& setup)
        : services_{setup.services}, pcpus_{setup.pcpus, setup.services.pcpus()},
          extra_{setup.values[0] != 0}, slice_{microseconds(setup.values[1])} {}

    void attach(Vcpu& vcpu) { patience_.attach(domain_of(vcpu)); }
    void detach(Vcpu& vcpu) { patience_.detach(domain_of(vcpu)); }
    void tune(Domain& domain) {
        if (domain.vcpus != 0)
            patience_.attach(domain);
    }
    // What the hypervisor does for a vCPU counts as what it runs: on its budget, or else on its turn.
    void charge(Vcpu& vcpu, Nanos amount) {
        if (budget_of(vcpu) == Nanos{}) {
            vcpu.turn -= amount;
            return;
        }
        const RealTime now = services_.now();
        if (!vcpu.queued() && vcpu.deadline != RealTime{})
            renew(vcpu, now);
        vcpu.budget -= amount;
        if (vcpu.reserved && vcpu.budget <= Nanos{} && pcpu_of(vcpu) == nullptr) {
            dequeue(vcpu);
            enqueue(vcpu, now);
        }
    }

    void wake(Vcpu& vcpu, RealTime now) {
        ++domain_of(vcpu).runnable;
        if (vcpu.deadline == RealTime{}) // the first one: its periods begin now
            vcpu.deadline = now;
        enqueue(vcpu, now);
        preempt_for(vcpu, false);
    }

    void deschedule(Vcpu& vcpu, sched::Stop why, Nanos ran, RealTime now) {
        if (Pcpu* pcpu = pcpu_of(vcpu); pcpu != nullptr) {
            pcpu->running = nullptr;
            (vcpu.reserved ? vcpu.budget : vcpu.turn) -= ran;
            vcpu.reserved = false;
        } else { // paused or gone while it waited
            dequeue(vcpu);
        }
        if (why == sched::Stop::yielded || !sched::still_runnable(why))
            vcpu.turn = Nanos{};
        if (sched::still_runnable(why))
            enqueue(vcpu, now);
        else
            --domain_of(vcpu).runnable;
    }

    sched::Decision pick(Pcpu& pcpu, RealTime now) {
        pcpu.claimed = false;
        renew_all(now);
        const sched::Decision decision = choose(pcpu, now);
        if (const Vcpu* first = servers_.first(); first != nullptr)
            preempt_for(*first, true);
        return decision;
    }

  private:
    // Servers whose period is over that one pick looks at. If it is over for more of them at one instant, the
    // rest follows at the next picks, which come after least slices.
    static constexpr int most_renewed = 8;

    struct Earlier {
        using Hook = DeadlineHook;
        static bool before(const Vcpu& a, const Vcpu& b) { return a.deadline < b.deadline; }
        static std::uint64_t own(const Vcpu& vcpu) { return vcpu.affinity; }
        static std::uint64_t join(std::uint64_t a, std::uint64_t b) { return a | b; }
    };
    using ByDeadline = plugin::Tree<Vcpu, Earlier>;

    static Domain& domain_of(const Vcpu& vcpu) { return static_cast<Domain&>(*vcpu.domain); }
    static Nanos value(const Vcpu& vcpu, std::size_t index) {
        return microseconds(vcpu.domain->values[index]);
    }
    static Nanos budget_of(const Vcpu& vcpu) { return std::min(value(vcpu, 0), period_of(vcpu)); }
    static Nanos period_of(const Vcpu& vcpu) { return value(vcpu, 1); }

    // Begins the period in which `now` lies. What it ran over is taken from what comes.
    static void renew(Vcpu& vcpu, RealTime now) {
        if (now < vcpu.deadline)
            return;
        const std::int64_t periods = (now - vcpu.deadline).count() / period_of(vcpu).count() + 1;
        vcpu.deadline += period_of(vcpu) * periods;
        vcpu.budget = std::min(budget_of(vcpu), std::min(vcpu.budget, Nanos{}) + budget_of(vcpu) * periods);
    }

    void enqueue(Vcpu& vcpu, RealTime now) {
        if (budget_of(vcpu) == Nanos{}) {
            patience_.queues(vcpu, now);
            return take_part(vcpu);
        }
        renew(vcpu, now);
        vcpu.reserved = vcpu.budget > Nanos{};
        vcpu.depleted = !vcpu.reserved;
        (vcpu.reserved ? servers_ : depleted_).insert(vcpu);
        if (vcpu.depleted && extra_)
            take_part(vcpu);
    }
    // In what is left over. Whose turn was interrupted goes on with it first.
    void take_part(Vcpu& vcpu) {
        if (vcpu.turn >= sched::least_slice && vcpu.turn < slice_)
            return others_.push_front(vcpu);
        vcpu.turn = slice_;
        others_.push_back(vcpu);
    }
    void dequeue(Vcpu& vcpu) {
        if (vcpu.patient())
            patience_.leaves(vcpu);
        if (vcpu.reserved)
            servers_.erase(vcpu);
        if (vcpu.depleted)
            depleted_.erase(vcpu);
        if (vcpu.waits())
            others_.erase(vcpu);
        vcpu.reserved = vcpu.depleted = false;
    }

    void renew_all(RealTime now) {
        int renewed = 0;
        for (ByDeadline* queue : {&depleted_, &servers_})
            for (Vcpu* next = queue->first();
                 next != nullptr && next->deadline <= now && renewed < most_renewed; next = queue->first()) {
                dequeue(*next);
                enqueue(*next, now);
                ++renewed;
            }
    }

    sched::Decision choose(Pcpu& pcpu, RealTime now) {
        if (Vcpu* const overdue = patience_.overdue_for(pcpu.id, now); overdue != nullptr) {
            patience_.runs(*overdue, now);
            dequeue(*overdue);
            return run(*overdue, pcpu, sched::least_slice);
        }
        Vcpu* const server =
            servers_.find([&pcpu](std::uint64_t reach) { return plugin::reaches(reach, pcpu.id); });
        if (server != nullptr) {
            servers_.erase(*server);
            return run(*server, pcpu, std::min(server->budget, until_event(now, server->deadline)));
        }
        const Nanos event = until_event(now, RealTime::never());
        if (Vcpu* const other = others_.first_for(pcpu.id); other != nullptr) {
            if (other->patient())
                patience_.runs(*other, now);
            dequeue(*other);
            return run(*other, pcpu, std::min(other->turn, event));
        }
        if (depleted_.empty())
            return sched::Decision::idle();
        return {nullptr, std::max(event, sched::least_slice)};
    }

    // The next instant at which an order may change.
    [[nodiscard]] Nanos until_event(RealTime now, RealTime own) const {
        RealTime next = own;
        for (const ByDeadline* queue : {&depleted_, &servers_})
            if (const Vcpu* first = queue->first(); first != nullptr)
                next = std::min(next, first->deadline);
        return next == RealTime::never() ? sched::longest_slice : next - now;
    }

    sched::Decision run(Vcpu& vcpu, Pcpu& pcpu, Nanos slice) {
        pcpu.running = &vcpu;
        return {&vcpu, std::clamp(slice, sched::least_slice, sched::longest_slice)};
    }

    [[nodiscard]] Pcpu* pcpu_of(const Vcpu& vcpu) const {
        for (Pcpu& pcpu : pcpus_)
            if (pcpu.running == &vcpu)
                return &pcpu;
        return nullptr;
    }

    // Before whom a running vCPU gives way: those whose period ends earlier.
    static RealTime urgency(const Vcpu& vcpu) { return vcpu.reserved ? vcpu.deadline : RealTime::never(); }

    // Kicks the pCPU with the latest deadline, if that is later. Idle ones are the host's business, unless
    // the vCPU was held back until now.
    void preempt_for(const Vcpu& vcpu, bool held_back) {
        Pcpu* latest = nullptr;
        for (Pcpu& pcpu : pcpus_) {
            if (!vcpu.may_run_on(pcpu.id) || pcpu.claimed)
                continue;
            if (pcpu.running == nullptr)
                return held_back ? claim(pcpu) : static_cast<void>(0);
            if (latest == nullptr || urgency(*pcpu.running) > urgency(*latest->running))
                latest = &pcpu;
        }
        if (latest != nullptr && urgency(*latest->running) > urgency(vcpu))
            claim(*latest);
    }
    void claim(Pcpu& pcpu) {
        pcpu.claimed = true;
        services_.kick(pcpu.id);
    }

    sched::Services services_;
    std::span<Pcpu> pcpus_;
    bool extra_;
    Nanos slice_;
    sched::Patience<Domain, Vcpu> patience_;
    ByDeadline servers_;         // queued, with budget
    ByDeadline depleted_;        // queued, without
    plugin::Turns<Vcpu> others_; // for what is left over, in turn
};

} // namespace

BULKHEAD_SCHEDULER(Rtds)
