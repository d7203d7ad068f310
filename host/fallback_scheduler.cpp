#include "host/fallbacks.hpp"
#include "sched/contract.hpp"

#include <boost/intrusive/list.hpp>

namespace bulkhead::host {

namespace {

using Hook = boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::safe_link>>;

class Fallback : public sched::Policy {
  public:
    struct Vcpu : sched::Vcpu, Hook {};
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
        else if (vcpu.is_linked())
            queue_.erase(queue_.iterator_to(vcpu));
    }
    sched::Decision pick(Pcpu& pcpu, RealTime) {
        for (auto& vcpu : queue_)
            if (vcpu.may_run_on(pcpu.id)) {
                queue_.erase(queue_.iterator_to(vcpu));
                return {&vcpu, milliseconds(5)};
            }
        return sched::Decision::idle();
    }

  private:
    boost::intrusive::list<Vcpu, boost::intrusive::constant_time_size<false>> queue_;
};

} // namespace

const plugin::Descriptor& fallback_scheduler() { return sched::Registration<Fallback>::descriptor; }

} // namespace bulkhead::host
