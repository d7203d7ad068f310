// Each vCPU gets a home when it first appears, the allowed pCPU with the fewest others, one that it prefers
// before all others, and runs nowhere else. Each pCPU serves its own vCPUs in turn, for a fixed slice. A vCPU
// moves only if its affinity forbids its home, or if it prefers others.
//
// Source:   the static assignment of partitioning hypervisors; J. M. López, J. L. Díaz, D. F. García,
//           "Utilization bounds for EDF scheduling on real-time multiprocessor systems", Real-Time
//           Systems 28, 2004, for worst-fit placement.
// Good at:  caches that stay warm, no interference between pCPUs, decisions that depend on one pCPU
//           only.
// Bad at:   uneven load: a pCPU idles while vCPUs wait for another. Weights and caps are ignored.
// Bounds:   with n vCPUs at home on a pCPU, a runnable one waits at most n - 1 slices.
#include "sched/contract.hpp"

#include <boost/intrusive/list.hpp>
#include <span>

namespace {

using namespace bulkhead;
namespace intrusive = boost::intrusive;

class Pinned : public sched::Policy {
  public:
    struct Pcpu;
    struct Vcpu : sched::Vcpu, intrusive::list_base_hook<> {
        Pcpu* home;
    };
    struct Pcpu : sched::Pcpu {
        intrusive::list<Vcpu, intrusive::constant_time_size<false>> queue;
        std::uint32_t residents;
        bool idle;
    };

    static constexpr bool work_conserving = false;
    static constexpr bool honours_weights = false;
    static constexpr bool honours_caps = false;
    static constexpr bool honours_preferences = true;
    static constexpr plugin::Parameter parameters[] = {
        {"slice", "us", "time that a vCPU runs before the next one's turn", 10'000, 100, 100'000},
    };
    static constexpr sched::Text text{
        .name = "pinned",
        .summary = "every vCPU stays on one pCPU; each pCPU serves its own in turn",
        .good_at = "warm caches, no interference between pCPUs",
        .bad_at = "uneven load (a pCPU may idle while others have too much), weights, wake-up latency",
        .source = "Lopez et al., Utilization bounds for EDF on multiprocessors, Real-Time Systems 28, 2004",
    };

    explicit Pinned(const sched::Setup<Pinned>& setup)
        : services_{setup.services}, pcpus_{setup.pcpus}, slice_{microseconds(setup.values[0])} {}

    void attach(Vcpu& vcpu) { settle(vcpu); }
    void detach(Vcpu& vcpu) { --vcpu.home->residents; }

    void wake(Vcpu& vcpu, RealTime) {
        if (!vcpu.may_run_on(vcpu.home->id) || (has_preference(vcpu) && !vcpu.prefers(vcpu.home->id))) {
            --vcpu.home->residents;
            settle(vcpu);
        }
        vcpu.home->queue.push_back(vcpu);
        if (vcpu.home->idle)
            services_.kick(vcpu.home->id);
    }

    void deschedule(Vcpu& vcpu, sched::Stop why, Nanos, RealTime) {
        if (vcpu.is_linked()) // paused or gone while it waited
            vcpu.home->queue.erase(vcpu.home->queue.iterator_to(vcpu));
        else if (sched::still_runnable(why))
            vcpu.home->queue.push_back(vcpu);
    }

    sched::Decision pick(Pcpu& pcpu, RealTime) {
        pcpu.idle = pcpu.queue.empty();
        if (pcpu.idle)
            return sched::Decision::idle();
        Vcpu& vcpu = pcpu.queue.front();
        pcpu.queue.pop_front();
        return {&vcpu, slice_};
    }

    [[nodiscard]] PcpuId place(const Vcpu& vcpu, RealTime) const { return vcpu.home->id; }

  private:
    static bool has_preference(const Vcpu& vcpu) { return vcpu.preferred != 0; }

    void settle(Vcpu& vcpu) const {
        vcpu.home = nullptr;
        for (Pcpu& pcpu : std::span{pcpus_, services_.pcpus()}) {
            if (!vcpu.may_run_on(pcpu.id) || (has_preference(vcpu) && !vcpu.prefers(pcpu.id)))
                continue;
            if (vcpu.home == nullptr || pcpu.residents < vcpu.home->residents)
                vcpu.home = &pcpu;
        }
        ++vcpu.home->residents;
    }

    sched::Services services_;
    Pcpu* pcpus_;
    Nanos slice_;
};

} // namespace

BULKHEAD_SCHEDULER(Pinned)
