// Time is laid out in advance: a domain owns a pCPU for `length` from `start` on, again after each
// `period`, and one of its vCPUs runs there then. If `fill` is set, unowned time and time that its owner
// leaves unused go to all other vCPUs in turn; they leave at once when the owner wakes. The planner of
// the Python package (`bulkhead`) makes tables without overlaps.
//
// Source:   ARINC Specification 653, partition scheduling; M. Vanga, A. Gujarati, B. B. Brandenburg,
//           "Tableau: a high-throughput and predictable VM scheduler for high-density workloads",
//           EuroSys 2018.
// Good at:  delays that are known beforehand, for any number and behaviour of other guests.
// Bad at:   domains without a slot, loads that change (weights and caps are ignored).
// Bounds:   an owner that wants to run gets its slot in every period, less the switch and at most one
//           least slice (50 us). It waits at most the period less the slot. Each domain without a slot gets a
//           least slice per second where slots leave it nothing, as sched/patience.hpp says.
#include "plugin/turns.hpp"
#include "sched/patience.hpp"

#include <algorithm>
#include <span>

namespace {

using namespace bulkhead;

struct OfDomain; // tag: the queued vCPUs of one domain
using SlotHook = plugin::TreeHook<RealTime>;

class Table : public sched::Policy {
  public:
    struct Vcpu : sched::Vcpu, plugin::TurnHook<>, plugin::TurnHook<OfDomain>, sched::PatientVcpu {
        [[nodiscard]] bool queued() const { return TurnHook<>::waits(); }
        [[nodiscard]] bool patient() const { return sched::AgeHook::is_linked(); } // queued without a slot
    };
    struct Domain : sched::Domain, SlotHook, sched::PatientDomain<Vcpu> {
        RealTime end; // of its present slot, or of the next one
        plugin::Turns<Vcpu, OfDomain> own;
        std::uint32_t attached;
        [[nodiscard]] Nanos start() const { return microseconds(values[0]); }
        [[nodiscard]] Nanos length() const { return std::min(microseconds(values[1]), period()); }
        [[nodiscard]] Nanos period() const { return microseconds(values[2]); }
        // Of the first slot that ends no earlier than `now`.
        [[nodiscard]] RealTime next_end(RealTime now) const {
            const Nanos first = start() + length();
            const Nanos since = now.since_start() - first;
            const std::int64_t periods =
                since > Nanos{} ? (since.count() - 1) / period().count() + 1 : std::int64_t{0};
            return RealTime{} + first + period() * periods;
        }
    };
    // The summary is the earliest begin of a slot.
    struct Sooner {
        using Hook = SlotHook;
        static bool before(const Domain& a, const Domain& b) { return a.end < b.end; }
        static RealTime own(const Domain& domain) { return domain.end - domain.length(); }
        static RealTime join(RealTime a, RealTime b) { return std::min(a, b); }
    };
    struct Pcpu : sched::Pcpu {
        Vcpu* running;
        plugin::Tree<Domain, Sooner> owners;
    };

    static constexpr bool work_conserving = false; // with fill=0
    static constexpr bool honours_weights = false;
    static constexpr bool honours_caps = false;
    static constexpr bool changes_values = false;
    static constexpr plugin::Parameter parameters[] = {
        {"fill", "1", "1: unowned time, and time that its owner leaves, goes to others in turn", 1, 0, 1},
        {"slice", "us", "time that a vCPU runs there before the next one's turn", 5'000, 100, 50'000},
    };
    static constexpr plugin::Parameter domain_parameters[] = {
        {"start", "us", "instant in the period at which its slot begins", 0, 0, 1'000'000},
        {"length", "us", "length of its slot; 0: none", 0, 0, 1'000'000},
        {"period", "us", "time from one of its slots to the next", 10'000, 200, 1'000'000},
        {"pcpu", "1", "pCPU of its slot", 0, 0, 63},
    };
    static constexpr sched::Text text{
        .name = "table",
        .summary = "a fixed timetable of slots, one for each domain in its period",
        .good_at = "delays known beforehand, for any number and behaviour of others",
        .bad_at = "domains without a slot, changing loads, weights and caps (ignored)",
        .source = "ARINC 653; Vanga et al., Tableau, EuroSys 2018",
    };

    explicit Table(const sched::Setup<Table>& setup)
        : services_{setup.services}, pcpus_{setup.pcpus, setup.services.pcpus()}, fill_{setup.values[0] != 0},
          slice_{microseconds(setup.values[1])} {}

    void attach(Vcpu& vcpu) {
        Domain& domain = domain_of(vcpu);
        patience_.attach(domain);
        if (domain.attached++ == 0 && has_slot(domain))
            pcpu_of(domain).owners.insert(domain);
    }
    void detach(Vcpu& vcpu) {
        Domain& domain = domain_of(vcpu);
        patience_.detach(domain);
        if (--domain.attached == 0 && has_slot(domain))
            pcpu_of(domain).owners.erase(domain);
    }

    void tune(Domain& domain) {
        if (domain.vcpus != 0)
            patience_.attach(domain);
    }

    void wake(Vcpu& vcpu, RealTime now) {
        ++domain_of(vcpu).runnable;
        enqueue(vcpu, now);
        const Domain& domain = domain_of(vcpu);
        if (!has_slot(domain))
            return;
        Pcpu& pcpu = pcpu_of(domain);
        if (vcpu.may_run_on(pcpu.id) && now_at(pcpu, now).owner == &domain && pcpu.running != nullptr &&
            pcpu.running->domain != &domain)
            services_.kick(pcpu.id); // its own time
    }

    void deschedule(Vcpu& vcpu, sched::Stop why, Nanos, RealTime now) {
        if (!sched::still_runnable(why))
            --domain_of(vcpu).runnable;
        if (vcpu.queued()) // paused or gone while it waited
            return dequeue(vcpu);
        pcpus_[vcpu.last_pcpu.value()].running = nullptr;
        if (sched::still_runnable(why))
            enqueue(vcpu, now);
    }

    sched::Decision pick(Pcpu& pcpu, RealTime now) {
        if (Vcpu* const overdue = patience_.overdue_for(pcpu.id, now); overdue != nullptr)
            return run(*overdue, pcpu, sched::least_slice, now);
        const Place place = now_at(pcpu, now);
        if (Vcpu* own = place.owner == nullptr ? nullptr : place.owner->own.first_for(pcpu.id);
            own != nullptr)
            return run(*own, pcpu, place.left, now);
        Vcpu* other = fill_ ? queue_.first_for(pcpu.id) : nullptr;
        if (other != nullptr)
            return run(*other, pcpu, std::min(slice_, place.left), now);
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
    static constexpr int most_passed = 8;
    // Whose time it is on a pCPU, and for how long; without an owner, how long until a slot begins.
    struct Place {
        Domain* owner;
        Nanos left;
    };

    static Domain& domain_of(const Vcpu& vcpu) { return static_cast<Domain&>(*vcpu.domain); }
    [[nodiscard]] bool has_slot(const Domain& domain) const {
        return domain.length() > Nanos{} && static_cast<std::size_t>(domain.values[3]) < pcpus_.size();
    }
    [[nodiscard]] Pcpu& pcpu_of(const Domain& owner) const {
        return pcpus_[static_cast<std::size_t>(owner.values[3])];
    }

    // A slot that begins before anything else could run for a least slice begins now, and one that has less
    // than that left is over. Of slots that overlap the one that ends first counts. If more slots are over
    // than one pick looks at, the rest follows after a least slice.
    [[nodiscard]] static Place now_at(Pcpu& pcpu, RealTime now) {
        auto& owners = pcpu.owners;
        const RealTime soon = now + sched::least_slice;
        Domain* first = owners.first();
        for (int passed = 0; first != nullptr && first->end < soon; first = owners.first()) {
            if (++passed > most_passed)
                return {nullptr, sched::least_slice};
            owners.erase(*first);
            first->end = first->next_end(soon);
            owners.insert(*first);
        }
        if (first == nullptr)
            return {nullptr, forever};
        Domain* const owner = owners.find([soon](RealTime begin) { return begin <= soon; });
        if (owner == nullptr)
            return {nullptr, owners.whole() - now};
        RealTime end = owner->end; // or the begin of one that ends earlier
        owners.visit_before(*owner, [&end](RealTime begin) { end = std::min(end, begin); });
        return {owner, end - now};
    }

    void enqueue(Vcpu& vcpu, RealTime now) {
        if (!has_slot(domain_of(vcpu)))
            patience_.queues(vcpu, now);
        queue_.push_back(vcpu);
        domain_of(vcpu).own.push_back(vcpu);
    }
    void dequeue(Vcpu& vcpu) {
        if (vcpu.patient())
            patience_.leaves(vcpu);
        queue_.erase(vcpu);
        domain_of(vcpu).own.erase(vcpu);
    }

    sched::Decision run(Vcpu& vcpu, Pcpu& pcpu, Nanos slice, RealTime now) {
        if (vcpu.patient())
            patience_.runs(vcpu, now);
        dequeue(vcpu);
        pcpu.running = &vcpu;
        return {&vcpu, std::clamp(slice, sched::least_slice, sched::longest_slice)};
    }

    sched::Services services_;
    std::span<Pcpu> pcpus_;
    bool fill_;
    Nanos slice_;
    sched::Patience<Domain, Vcpu> patience_; // with domains that have no slot
    plugin::Turns<Vcpu> queue_;              // longest waiting first
};

} // namespace

BULKHEAD_SCHEDULER(Table)
