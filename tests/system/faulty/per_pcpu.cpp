// A policy with one queue for each pCPU and no `place`: a vCPU that wakes goes into the queue of the pCPU
// after the one that it ran on last. It stays within the contract, which promises that each idle pCPU is
// asked to pick while a vCPU that it may run is queued.
#include "sched/contract.hpp"

#include <boost/intrusive/list.hpp>

namespace {

using namespace bulkhead;

class PerPcpu : public sched::Policy {
  public:
    struct Vcpu : sched::Vcpu, boost::intrusive::list_base_hook<> {
        std::uint16_t queue = 0;
    };
    struct Pcpu : sched::Pcpu {
        boost::intrusive::list<Vcpu, boost::intrusive::constant_time_size<false>> queue;
    };
    static constexpr sched::Text text{.name = "per_pcpu",
                                      .summary = "a queue for each pCPU, never the one of the last run",
                                      .good_at = "showing whether every idle pCPU is asked",
                                      .bad_at = "everything else",
                                      .source = "tests/system/faulty/per_pcpu.cpp"};

    explicit PerPcpu(const sched::Setup<PerPcpu>& setup)
        : pcpus_{setup.pcpus}, count_{static_cast<std::uint16_t>(setup.services.pcpus())} {}
    void attach(Vcpu&) {}
    void detach(Vcpu&) {}
    void wake(Vcpu& vcpu, RealTime) {
        enqueue(vcpu, static_cast<std::uint16_t>((vcpu.last_pcpu.value() + 1) % count_));
    }
    void deschedule(Vcpu& vcpu, sched::Stop why, Nanos, RealTime) {
        if (sched::still_runnable(why))
            enqueue(vcpu, vcpu.last_pcpu.value());
        else if (vcpu.is_linked())
            pcpus_[vcpu.queue].queue.erase(pcpus_[vcpu.queue].queue.iterator_to(vcpu));
    }
    sched::Decision pick(Pcpu& pcpu, RealTime) {
        if (pcpu.queue.empty())
            return sched::Decision::idle();
        Vcpu& next = pcpu.queue.front();
        pcpu.queue.pop_front();
        return {&next, milliseconds(5)};
    }

  private:
    void enqueue(Vcpu& vcpu, std::uint16_t queue) {
        vcpu.queue = queue;
        pcpus_[queue].queue.push_back(vcpu);
    }

    Pcpu* pcpus_;
    std::uint16_t count_;
};

} // namespace

BULKHEAD_SCHEDULER(PerPcpu)
