// Each domain has a pass, which advances by its stride, the inverse of its weight, for every quantum
// that it runs. The domain with the lowest pass runs next; one that stops early has its pass advanced by
// the used part only. A domain that was away continues at the machine's pass, with a credit of at most
// one quantum.
//
// Paper:    C. A. Waldspurger, W. E. Weihl, "Stride scheduling: deterministic proportional-share
//           resource management", MIT/LCS/TM-528, 1995.
// Good at:  shares by weight that are exact over short windows, for any number of vCPUs in a domain;
//           cheap.
// Bad at:   wake-up latency: it never preempts, so a woken vCPU waits for the end of a quantum.
// Bounds:   on one pCPU the share of a domain that always wants to run is that of its weight, to within
//           one quantum per competing domain in any window. A yield gives away the rest of the quantum.
//           Waits are bounded as
//           sched/patience.hpp says, plus the turns of other domains that waited as long.
#include "sched/share_queue.hpp"

namespace {

using namespace bulkhead;
namespace shares = sched::shares;

class Stride : public sched::Policy {
  public:
    struct Vcpu : shares::Vcpu {
        Nanos paid; // what pick has billed for the slice
    };
    using Pcpu = shares::Pcpu;
    using Domain = shares::Domain;

    static constexpr plugin::Parameter parameters[] = {
        {"quantum", "us", "time that a vCPU runs before the lowest pass is chosen again", 2'000, 100, 50'000},
    };
    static constexpr sched::Text text{
        .name = "stride",
        .summary = "the domain with the least time for its weight runs next, for a quantum",
        .good_at = "exact shares by weight per domain, few and cheap decisions",
        .bad_at = "wake-up latency",
        .source = "Waldspurger and Weihl, Stride scheduling, MIT/LCS/TM-528, 1995",
    };

    explicit Stride(const sched::Setup<Stride>& setup)
        : services_{setup.services}, quantum_{microseconds(setup.values[0])},
          accounts_{setup.services.pcpus(), quantum_} {}

    void attach(Vcpu& vcpu) {
        accounts_.attach(shares::domain_of(vcpu));
        queue_.attach(shares::domain_of(vcpu));
    }
    void detach(Vcpu& vcpu) {
        accounts_.detach(shares::domain_of(vcpu));
        queue_.detach(shares::domain_of(vcpu));
    }

    void wake(Vcpu& vcpu, RealTime now) {
        accounts_.wakes(shares::domain_of(vcpu));
        queue_.push_back(vcpu, now);
    }

    void deschedule(Vcpu& vcpu, sched::Stop why, Nanos ran, RealTime now) {
        Domain& domain = shares::domain_of(vcpu);
        if (vcpu.queued()) // paused or gone while it waited
            queue_.remove(vcpu);
        else
            settle(domain, ran - vcpu.paid, why, now);
        if (sched::still_runnable(why))
            queue_.push_back(vcpu, now);
        else
            accounts_.sleeps(domain);
    }

    sched::Decision pick(Pcpu& pcpu, RealTime now) {
        const auto [next, impatient, least] = queue_.take_for(pcpu.id, now);
        if (next == nullptr)
            return queue_.idle(now);
        auto& vcpu = static_cast<Vcpu&>(*next);
        Domain& domain = shares::domain_of(vcpu);
        accounts_.serves(domain, least, domain.position);
        vcpu.paid = impatient ? sched::least_slice : sched::Caps::slice(domain, quantum_);
        bill(domain, vcpu.paid, now);
        return {&vcpu, vcpu.paid};
    }

    void charge(Vcpu& vcpu, Nanos amount) { bill(shares::domain_of(vcpu), amount, services_.now()); }

    void tune(Domain& domain) {
        accounts_.retune(domain);
        if (!queue_.retune(domain, services_.now()))
            return;
        for (std::uint32_t i = 0; i < services_.pcpus(); ++i) // it keeps no account of which are idle
            services_.kick(PcpuId{static_cast<std::uint16_t>(i)});
    }

  private:
    struct LowerPass {
        bool operator()(const Domain& a, const Domain& b) const { return a.position < b.position; }
    };

    void bill(Domain& domain, Nanos time, RealTime now) {
        accounts_.bill(domain, time);
        queue_.spend(domain, time, now);
        queue_.reorder(domain);
    }
    // What was run beyond what was paid. A yield gives away the rest, but a cap counts what was run.
    void settle(Domain& domain, Nanos more, sched::Stop why, RealTime now) {
        if (why != sched::Stop::yielded)
            return bill(domain, more, now);
        queue_.spend(domain, more, now);
        queue_.reorder(domain);
    }

    sched::Services services_;
    Nanos quantum_;
    shares::Accounts accounts_;
    shares::Queue<Domain, shares::Sorted<Domain, LowerPass>> queue_;
};

} // namespace

BULKHEAD_SCHEDULER(Stride)
