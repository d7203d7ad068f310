#include "host/fallbacks.hpp"
#include "plugin/turns.hpp"
#include "sched/contract.hpp"

namespace bulkhead::host {

namespace {

class Fallback : public sched::Policy {
  public:
    struct Vcpu : sched::Vcpu, plugin::TurnHook<> {};
    static constexpr bool honours_weights = false;
    static constexpr bool honours_caps = false;
    static constexpr sched::Text text{.name = "fallback",
                                      .summary = "one queue, equal slices",
                                      .good_at = "keeping guests running",
                                      .bad_at = "everything else",
                                      .source = "host/fallback_scheduler.cpp"};

    explicit Fallback(const sched::Setup<Fallback>&) {}
    void attach(Vcpu&) {}
    void detach(Vcpu&) {}
    void wake(Vcpu& vcpu, RealTime) { queue_.push_back(vcpu); }
    void deschedule(Vcpu& vcpu, sched::Stop why, Nanos, RealTime) {
        if (sched::still_runnable(why))
            queue_.push_back(vcpu);
        else if (vcpu.waits())
            queue_.erase(vcpu);
    }
    sched::Decision pick(Pcpu& pcpu, RealTime) {
        Vcpu* const next = queue_.first_for(pcpu.id);
        if (next == nullptr)
            return sched::Decision::idle();
        queue_.erase(*next);
        return {next, milliseconds(5)};
    }

  private:
    plugin::Turns<Vcpu> queue_;
};

} // namespace

const plugin::Descriptor& fallback_scheduler() { return sched::Registration<Fallback>::descriptor; }

} // namespace bulkhead::host
