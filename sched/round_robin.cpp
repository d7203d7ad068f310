// Every runnable vCPU waits in one queue. The first one that may use the pCPU runs for a fixed slice,
// and goes to the back if it is still runnable afterwards. It keeps no accounts, so it ignores weights
// and caps. It is the example to copy: a whole scheduler in one file.
//
// Paper:    L. Kleinrock, "Analysis of a time-shared processor", Naval Research Logistics Quarterly
//           11(1), 1964.
// Good at:  equal shares of vCPUs that never sleep; few decisions; behaviour that fits in the head.
// Bad at:   latency (a woken vCPU waits for all in front of it), weights and caps (ignored), domains
//           with many vCPUs (each is a turn), vCPUs that give up early (the rest of their slice is
//           lost).
// Bounds:   with n vCPUs that may use a pCPU, a runnable one waits at most n - 1 slices there.
#include "plugin/turns.hpp"
#include "sched/contract.hpp"

namespace {

using namespace bulkhead;

class RoundRobin : public sched::Policy {
  public:
    struct Vcpu : sched::Vcpu, plugin::TurnHook<> {};

    static constexpr bool honours_weights = false;
    static constexpr bool honours_caps = false;
    static constexpr plugin::Parameter parameters[] = {
        {"slice", "us", "time that a vCPU runs before the next one's turn", 10'000, 100, 100'000},
    };
    static constexpr sched::Text text{
        .name = "round_robin",
        .summary = "one queue, fixed slices, every vCPU in turn",
        .good_at = "equal shares of vCPUs that never sleep",
        .bad_at = "wake-up latency, weights, domains with many vCPUs",
        .source = "Kleinrock, Analysis of a time-shared processor, NRLQ 1964",
    };

    explicit RoundRobin(const sched::Setup<RoundRobin>& setup) : slice_{microseconds(setup.values[0])} {}

    void attach(Vcpu&) {}
    void detach(Vcpu&) {}

    void wake(Vcpu& vcpu, RealTime) { queue_.push_back(vcpu); }

    void deschedule(Vcpu& vcpu, sched::Stop why, Nanos, RealTime) {
        if (vcpu.waits()) // paused or gone while it waited
            queue_.erase(vcpu);
        else if (still_runnable(why))
            queue_.push_back(vcpu);
    }

    sched::Decision pick(Pcpu& pcpu, RealTime) {
        Vcpu* const next = queue_.first_for(pcpu.id);
        if (next == nullptr)
            return sched::Decision::idle();
        queue_.erase(*next);
        return {next, slice_};
    }

  private:
    Nanos slice_;
    plugin::Turns<Vcpu> queue_; // all that are queued in the contract's sense, longest waiting first
};

} // namespace

BULKHEAD_SCHEDULER(RoundRobin)
