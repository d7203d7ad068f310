// A tick every 10 ms bills a whole tick to the vCPU that runs then. An accounting every third tick hands
// out credit by weight and sorts vCPUs into UNDER (credit left) and OVER; a vCPU that wakes while UNDER
// is boosted above both until a tick finds it. It is kept because it can be robbed: ticks lie on a fixed
// grid of real time, so a guest that sleeps through each of them is never billed, keeps its boost, and
// takes nearly the whole CPU.
//
// Paper:    F. Zhou, M. Goel, P. Desnoyers, R. Sundaram, "Scheduler vulnerabilities and coordinated
//           attacks in cloud computing", NCA 2011: it describes Xen's credit scheduler of that time and
//           the theft.
// Good at:  shares by weight over seconds, among guests that ignore the tick; cheap decisions.
// Bad at:   theft of service (its purpose here), shares over short windows, latency once a tick has
//           found a vCPU.
// Bounds:   none against a hostile guest, which may keep other guests waiting without limit.
#include "sched/contract.hpp"

#include <algorithm>
#include <boost/intrusive/list.hpp>

namespace {

using namespace bulkhead;
namespace intrusive = boost::intrusive;

constexpr std::int64_t ticks_per_accounting = 3; // and per slice

enum class Priority : std::uint8_t { boost, under, over, parked };
constexpr std::size_t runnable_priorities = 3;

struct Everybody; // tag of the list of all attached vCPUs
using QueueHook = intrusive::list_base_hook<intrusive::link_mode<intrusive::auto_unlink>>;
using MemberHook =
    intrusive::list_base_hook<intrusive::tag<Everybody>, intrusive::link_mode<intrusive::auto_unlink>>;

class CreditSampled : public sched::Policy {
  public:
    struct Vcpu : sched::Vcpu, QueueHook, MemberHook {
        Nanos credit;
        Nanos turn; // what is left of its slice
        Priority priority;
        bool runnable;
        bool seen; // by a tick, since the last accounting

        [[nodiscard]] bool active() const { return runnable || seen; }
        [[nodiscard]] bool queued() const { return QueueHook::is_linked(); }
    };
    struct Pcpu : sched::Pcpu {
        Vcpu* running;
        bool claimed; // kicked, and has not picked since
    };
    struct Domain : sched::Domain {
        std::uint32_t active; // its vCPUs that share the next accounting
    };

    static constexpr plugin::Parameter parameters[] = {
        {"tick", "us", "time between two ticks; a slice and an accounting are three of them", 10'000, 1'000,
         100'000},
    };
    static constexpr sched::Text text{
        .name = "credit_sampled",
        .summary = "Xen's credit of 2009: bills whole ticks to the vCPU at the tick",
        .good_at = "being robbed: the known-vulnerable yardstick of the attack experiments",
        .bad_at = "theft of service, shares over short windows, latency after a tick",
        .source =
            "Zhou et al., Scheduler vulnerabilities and coordinated attacks in cloud computing, NCA 2011",
    };

    explicit CreditSampled(const sched::Setup<CreditSampled>& setup)
        : services_{setup.services}, pcpus_{setup.pcpus}, tick_{microseconds(setup.values[0])},
          period_{tick_ * ticks_per_accounting} {
        ticks_seen_ = ticks_at(services_.now());
    }

    void attach(Vcpu& vcpu) {
        vcpu.priority = Priority::under;
        vcpu.turn = period_;
        everybody_.push_back(vcpu);
    }

    void detach(Vcpu& vcpu) { vcpu.MemberHook::unlink(); }

    void wake(Vcpu& vcpu, RealTime now) {
        catch_up(now);
        vcpu.runnable = true;
        vcpu.turn = period_;
        if (vcpu.priority == Priority::under)
            vcpu.priority = Priority::boost;
        queue_of(vcpu).push_back(vcpu);
        if (Pcpu* victim = lesser_pcpu(vcpu); victim != nullptr) {
            victim->claimed = true;
            services_.kick(victim->id);
        }
    }

    void deschedule(Vcpu& vcpu, sched::Stop why, Nanos ran, RealTime now) {
        catch_up(now); // before it stops counting as running: a tick in its time is its own
        if (vcpu.queued())
            vcpu.QueueHook::unlink();
        else
            stop_running(vcpu);
        vcpu.runnable = sched::still_runnable(why);
        if (!vcpu.runnable) {
            if (vcpu.priority == Priority::boost)
                vcpu.priority = Priority::under;
            return;
        }
        vcpu.turn -= ran;
        if (why == sched::Stop::slice_end && vcpu.turn >= sched::least_slice)
            return queue_of(vcpu).push_front(vcpu); // only cut at a tick
        vcpu.turn = period_;
        queue_of(vcpu).push_back(vcpu);
    }

    sched::Decision pick(Pcpu& pcpu, RealTime now) {
        catch_up(now);
        pcpu.claimed = false;
        for (std::size_t priority = 0; priority < runnable_priorities; ++priority)
            for (Vcpu& vcpu : queues_[priority])
                if (vcpu.may_run_on(pcpu.id)) {
                    vcpu.QueueHook::unlink();
                    pcpu.running = &vcpu;
                    return {&vcpu, std::max(std::min(vcpu.turn, until_tick(now)), sched::least_slice)};
                }
        if (queue(Priority::parked).empty())
            return sched::Decision::idle();
        return {nullptr, std::max(until_tick(now), sched::least_slice)};
    }

    // Without a cap nothing is held back; a new cap holds from the next accounting on.
    void tune(Domain& domain) {
        for (Vcpu& vcpu : everybody_)
            if (vcpu.domain == &domain && domain.cap == 0 && vcpu.priority == Priority::parked)
                set_priority(vcpu, Priority::over);
        for (std::uint32_t i = 0; i < services_.pcpus(); ++i)
            if (pcpus_[i].running == nullptr)
                services_.kick(pcpus_[i].id);
    }

  private:
    using Queue =
        intrusive::list<Vcpu, intrusive::base_hook<QueueHook>, intrusive::constant_time_size<false>>;
    using Members =
        intrusive::list<Vcpu, intrusive::base_hook<MemberHook>, intrusive::constant_time_size<false>>;

    static Domain& domain_of(const Vcpu& vcpu) { return static_cast<Domain&>(*vcpu.domain); }
    Queue& queue(Priority priority) { return queues_[static_cast<std::size_t>(priority)]; }
    Queue& queue_of(const Vcpu& vcpu) { return queue(vcpu.priority); }
    [[nodiscard]] std::int64_t ticks_at(RealTime now) const {
        return now.since_start().count() / tick_.count();
    }
    [[nodiscard]] Nanos until_tick(RealTime now) const {
        return RealTime{} + tick_ * (ticks_at(now) + 1) - now;
    }

    void stop_running(const Vcpu& vcpu) {
        for (std::uint32_t i = 0; i < services_.pcpus(); ++i)
            if (pcpus_[i].running == &vcpu)
                pcpus_[i].running = nullptr;
    }

    // A busy pCPU whose vCPU has a lower priority, the lowest if there are several; nullptr if an idle one
    // will do.
    Pcpu* lesser_pcpu(const Vcpu& vcpu) {
        Pcpu* found = nullptr;
        for (std::uint32_t i = 0; i < services_.pcpus(); ++i) {
            Pcpu& pcpu = pcpus_[i];
            if (!vcpu.may_run_on(pcpu.id) || pcpu.claimed)
                continue;
            if (pcpu.running == nullptr)
                return nullptr;
            const Priority least = found == nullptr ? vcpu.priority : found->running->priority;
            if (pcpu.running->priority > least)
                found = &pcpu;
        }
        return found;
    }

    // Carries out the ticks since the last hook, at the instants of the grid, against those who ran at these
    // instants.
    void catch_up(RealTime now) {
        const std::int64_t ticks = ticks_at(now);
        if (ticks == ticks_seen_)
            return;
        const bool accounting = ticks / ticks_per_accounting != ticks_seen_ / ticks_per_accounting;
        for (std::uint32_t i = 0; i < services_.pcpus(); ++i)
            if (Vcpu* vcpu = pcpus_[i].running; vcpu != nullptr)
                bill(*vcpu, tick_ * (ticks - ticks_seen_));
        ticks_seen_ = ticks;
        if (accounting)
            account();
    }

    static void bill(Vcpu& vcpu, Nanos amount) {
        vcpu.credit -= amount;
        vcpu.seen = true;
        if (vcpu.priority == Priority::boost)
            vcpu.priority = Priority::under;
    }

    // Credit for one period of all pCPUs, shared by the weights of the domains that a tick saw or that want
    // to run.
    void account() {
        std::int64_t weights = 0;
        for (const Vcpu& vcpu : everybody_)
            if (vcpu.active() && domain_of(vcpu).active++ == 0)
                weights += vcpu.domain->weight;
        for (Vcpu& vcpu : everybody_)
            if (vcpu.active())
                hand_out(vcpu, weights);
        for (Vcpu& vcpu : everybody_) {
            domain_of(vcpu).active = 0;
            vcpu.seen = false;
        }
    }

    void hand_out(Vcpu& vcpu, std::int64_t weights) {
        const Domain& domain = domain_of(vcpu);
        Nanos amount = period_ * services_.pcpus() * domain.weight / weights;
        if (domain.cap != 0)
            amount = std::min(amount, period_ * domain.cap / 100);
        vcpu.credit = std::clamp(vcpu.credit + amount / domain.active, -period_, period_);
        const Priority spent = domain.cap != 0 ? Priority::parked : Priority::over;
        set_priority(vcpu, vcpu.credit < Nanos{} ? spent : Priority::under);
    }

    void set_priority(Vcpu& vcpu, Priority priority) {
        if (vcpu.priority == priority || (vcpu.priority == Priority::boost && priority == Priority::under))
            return;
        vcpu.priority = priority;
        if (!vcpu.queued())
            return;
        vcpu.QueueHook::unlink();
        queue_of(vcpu).push_back(vcpu);
    }

    sched::Services services_;
    Pcpu* pcpus_;
    Nanos tick_, period_;
    std::int64_t ticks_seen_;
    Members everybody_;
    Queue queues_[runnable_priorities + 1];
};

} // namespace

BULKHEAD_SCHEDULER(CreditSampled)
