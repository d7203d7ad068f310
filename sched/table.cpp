// Time is laid out in advance: a domain owns a pCPU for `length` from `start` on, again after each `period`,
// and one of its vCPUs runs there then. Time that belongs to nobody, or that its owner does not use, goes to
// all others in turn if `fill` says so; they leave at once when the owner wakes. bindings/bulkhead/planner.py
// makes tables without overlaps.
//
// Source:   ARINC Specification 653, partition scheduling; M. Vanga, A. Gujarati, B. B. Brandenburg,
//           "Tableau: a high-throughput and predictable VM scheduler for high-density workloads", EuroSys
//           2018.
// Good at:  delays that are known beforehand and depend on nobody, whatever the number of guests.
// Bad at:   domains without a slot, loads that change (weights and caps are ignored), hundreds of slots:
//           a pick looks at each domain.
// Bounds:   an owner that wants to run gets its slot in every period, less the switch and at most one
//           least slice (50 us); it waits for no longer than the period less the slot.
#include "sched/contract.hpp"

#include <algorithm>
#include <boost/intrusive/list.hpp>
#include <span>

namespace {

using namespace bulkhead;
namespace intrusive = boost::intrusive;

class Table : public sched::Policy {
  public:
    struct Vcpu : sched::Vcpu, intrusive::list_base_hook<> {};
    struct Domain : sched::Domain, intrusive::list_base_hook<> {
        std::uint32_t attached;
        [[nodiscard]] Nanos start() const { return microseconds(values[0]); }
        [[nodiscard]] Nanos length() const { return std::min(microseconds(values[1]), period()); }
        [[nodiscard]] Nanos period() const { return microseconds(values[2]); }
        [[nodiscard]] bool owns(PcpuId pcpu) const { return length() > Nanos{} && values[3] == pcpu.value(); }
    };
    struct Pcpu : sched::Pcpu {
        Vcpu* running;
    };

    static constexpr bool work_conserving = false; // with fill=0
    static constexpr plugin::Parameter parameters[] = {
        {"fill", "1", "1: time that nobody owns, or its owner leaves, goes to others in turn", 1, 0, 1},
        {"slice", "us", "how long a vCPU runs in such time before it is another's turn", 5'000, 100, 50'000},
    };
    static constexpr plugin::Parameter domain_parameters[] = {
        {"start", "us", "where in the period its slot begins", 0, 0, 1'000'000},
        {"length", "us", "how long its slot is; 0: it has none", 0, 0, 1'000'000},
        {"period", "us", "how often its slot comes", 10'000, 200, 1'000'000},
        {"pcpu", "1", "where its slot is", 0, 0, 63},
    };
    static constexpr sched::Text text{
        .name = "table",
        .summary = "a fixed timetable of slots, one for each domain in its period",
        .good_at = "delays known beforehand, whatever others do and however many they are",
        .bad_at = "domains without a slot, changing loads, weights and caps (ignored)",
        .source = "ARINC 653; Vanga et al., Tableau, EuroSys 2018",
    };

    explicit Table(const sched::Setup<Table>& setup)
        : services_{setup.services}, pcpus_{setup.pcpus, setup.services.pcpus()}, fill_{setup.values[0] != 0},
          slice_{microseconds(setup.values[1])} {}

    void attach(Vcpu& vcpu) {
        if (domain_of(vcpu).attached++ == 0)
            domains_.push_back(domain_of(vcpu));
    }
    void detach(Vcpu& vcpu) {
        if (--domain_of(vcpu).attached == 0)
            domains_.erase(domains_.iterator_to(domain_of(vcpu)));
    }

    void wake(Vcpu& vcpu, RealTime now) {
        queue_.push_back(vcpu);
        for (Pcpu& pcpu : pcpus_)
            if (vcpu.may_run_on(pcpu.id) && now_at(pcpu.id, now).owner == vcpu.domain &&
                pcpu.running != nullptr && pcpu.running->domain != vcpu.domain)
                services_.kick(pcpu.id); // its own time
    }

    void deschedule(Vcpu& vcpu, sched::Stop why, Nanos, RealTime) {
        if (vcpu.is_linked()) { // paused or gone while it waited
            queue_.erase(queue_.iterator_to(vcpu));
            return;
        }
        for (Pcpu& pcpu : pcpus_)
            if (pcpu.running == &vcpu)
                pcpu.running = nullptr;
        if (sched::still_runnable(why))
            queue_.push_back(vcpu);
    }

    sched::Decision pick(Pcpu& pcpu, RealTime now) {
        const Place place = now_at(pcpu.id, now);
        if (Vcpu* own = place.owner == nullptr ? nullptr : next(pcpu, place.owner); own != nullptr)
            return run(*own, pcpu, place.left);
        Vcpu* other = fill_ ? next(pcpu, nullptr) : nullptr;
        if (other != nullptr)
            return run(*other, pcpu, std::min(slice_, place.left));
        if (queue_.empty() || place.left == forever)
            return sched::Decision::idle();
        return {nullptr, std::max(place.left, sched::least_slice)};
    }

    [[nodiscard]] PcpuId place(const Vcpu& vcpu, RealTime) const {
        const auto& domain = domain_of(vcpu);
        return domain.length() > Nanos{} ? PcpuId{static_cast<std::uint16_t>(domain.values[3])}
                                         : vcpu.last_pcpu;
    }

  private:
    static constexpr Nanos forever = Nanos{INT64_MAX};
    // Whose time it is on a pCPU, and for how long; without an owner, how long until a slot begins.
    struct Place {
        const Domain* owner;
        Nanos left;
    };

    static Domain& domain_of(const Vcpu& vcpu) { return static_cast<Domain&>(*vcpu.domain); }

    // A slot that begins before anything else could run for a least slice begins now, and one that has less
    // than that left is over.
    [[nodiscard]] Place now_at(PcpuId pcpu, RealTime now) const {
        Place place{nullptr, forever};
        for (const Domain& domain : domains_) {
            if (!domain.owns(pcpu))
                continue;
            const std::int64_t period = domain.period().count();
            const Nanos ahead = now.since_start() + sched::least_slice - domain.start();
            const Nanos in_period{((ahead.count() % period) + period) % period};
            const Nanos left = domain.length() + sched::least_slice - in_period;
            if (left >= sched::least_slice)
                return {&domain, left};
            place.left = std::min(place.left, domain.period() - in_period + sched::least_slice);
        }
        return place;
    }

    // The longest waiting vCPU of `owner`, or of anybody, that may run here.
    [[nodiscard]] Vcpu* next(const Pcpu& pcpu, const Domain* owner) {
        for (Vcpu& vcpu : queue_)
            if (vcpu.may_run_on(pcpu.id) && (owner == nullptr || vcpu.domain == owner))
                return &vcpu;
        return nullptr;
    }

    sched::Decision run(Vcpu& vcpu, Pcpu& pcpu, Nanos slice) {
        queue_.erase(queue_.iterator_to(vcpu));
        pcpu.running = &vcpu;
        return {&vcpu, std::clamp(slice, sched::least_slice, sched::longest_slice)};
    }

    sched::Services services_;
    std::span<Pcpu> pcpus_;
    bool fill_;
    Nanos slice_;
    intrusive::list<Domain, intrusive::constant_time_size<false>> domains_;
    intrusive::list<Vcpu, intrusive::constant_time_size<false>> queue_; // longest waiting first
};

} // namespace

BULKHEAD_SCHEDULER(Table)
