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
#include "plugin/turns.hpp"
#include "sched/contract.hpp"

#include <algorithm>

namespace {

using namespace bulkhead;
namespace intrusive = boost::intrusive;

constexpr std::int64_t ticks_per_accounting = 3; // and per slice

enum class Priority : std::uint8_t { boost, under, over, parked };
constexpr std::size_t runnable_priorities = 3;

struct OfAccounting; // tags
struct OfRelease;
using ActiveHook = intrusive::list_base_hook<intrusive::tag<OfAccounting>>;
using ReleaseHook = plugin::TreeHook<std::uint64_t, OfRelease>;

class CreditSampled : public sched::Policy {
  public:
    struct Vcpu : sched::Vcpu, plugin::TurnHook<>, ActiveHook {
        Nanos credit;
        Nanos turn; // what is left of its slice
        Priority priority;
        bool runnable;
        bool seen; // by a tick, since its last accounting

        [[nodiscard]] bool queued() const { return TurnHook::waits(); }
    };
    struct Pcpu : sched::Pcpu {
        Vcpu* running;
        bool claimed; // kicked, and has not picked since
    };
    struct Domain : sched::Domain, ReleaseHook {
        plugin::Turns<Vcpu> parked; // its queued vCPUs whose cap is used up
        std::uint64_t reach;        // bit n: one of these may run on pCPU n, as the tree knows it
        std::uint32_t active;       // its vCPUs that share an accounting
        std::uint32_t counted;      // its weight, while it has such
        std::uint32_t sharing;      // how many share the present accounting
        std::int64_t accounting;    // the number of that
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
        periods_seen_ = ticks_seen_ / ticks_per_accounting;
    }

    void attach(Vcpu& vcpu) {
        vcpu.priority = Priority::under;
        vcpu.turn = period_;
    }

    void detach(Vcpu& vcpu) {
        if (vcpu.ActiveHook::is_linked())
            rest(vcpu);
    }

    void wake(Vcpu& vcpu, RealTime now) {
        catch_up(now);
        vcpu.runnable = true;
        activate(vcpu);
        vcpu.turn = period_;
        if (vcpu.priority == Priority::under)
            vcpu.priority = Priority::boost;
        enqueue(vcpu);
        if (Pcpu* victim = lesser_pcpu(vcpu); victim != nullptr) {
            victim->claimed = true;
            services_.kick(victim->id);
        }
    }

    void deschedule(Vcpu& vcpu, sched::Stop why, Nanos ran, RealTime now) {
        catch_up(now); // before it stops counting as running: a tick in its time is its own
        if (vcpu.queued())
            dequeue(vcpu);
        else
            stop_running(vcpu);
        vcpu.runnable = sched::still_runnable(why);
        if (!vcpu.runnable) {
            if (!vcpu.seen)
                rest(vcpu);
            if (vcpu.priority == Priority::boost)
                vcpu.priority = Priority::under;
            return;
        }
        vcpu.turn -= ran;
        if (why == sched::Stop::slice_end && vcpu.turn >= sched::least_slice)
            return enqueue(vcpu, true); // only cut at a tick
        vcpu.turn = period_;
        enqueue(vcpu);
    }

    sched::Decision pick(Pcpu& pcpu, RealTime now) {
        catch_up(now);
        pcpu.claimed = false;
        if (Vcpu* const next = next_for(pcpu); next != nullptr) {
            dequeue(*next);
            pcpu.running = next;
            return {next, std::max(std::min(next->turn, until_tick(now)), sched::least_slice)};
        }
        if (parked_ == 0)
            return sched::Decision::idle();
        return {nullptr, std::max(until_tick(now), sched::least_slice)};
    }

    // Without a cap nothing is held back; a new cap holds from the next accounting on.
    void tune(Domain& domain) {
        if (domain.active != 0)
            count(domain, domain.weight);
        update_release(domain);
        for (std::uint32_t i = 0; i < services_.pcpus(); ++i)
            if (pcpus_[i].running == nullptr)
                services_.kick(pcpus_[i].id);
    }

  private:
    // vCPUs whose accounting one hook does. Where more are active the accounting takes several hooks, and the
    // next one begins after the last of them.
    static constexpr int most_accounted = 16;

    struct InAnyOrder {
        using Hook = ReleaseHook;
        static bool before(const Domain&, const Domain&) { return false; }
        static std::uint64_t own(const Domain& domain) { return domain.reach; }
        static std::uint64_t join(std::uint64_t a, std::uint64_t b) { return a | b; }
    };

    static Domain& domain_of(const Vcpu& vcpu) { return static_cast<Domain&>(*vcpu.domain); }
    plugin::Turns<Vcpu>& queue_of(const Vcpu& vcpu) {
        return vcpu.priority == Priority::parked ? domain_of(vcpu).parked
                                                 : queues_[static_cast<std::size_t>(vcpu.priority)];
    }
    void enqueue(Vcpu& vcpu, bool first = false) {
        auto& queue = queue_of(vcpu);
        first ? queue.push_front(vcpu) : queue.push_back(vcpu);
        if (vcpu.priority == Priority::parked) {
            ++parked_;
            update_release(domain_of(vcpu));
        }
    }
    void dequeue(Vcpu& vcpu) {
        queue_of(vcpu).erase(vcpu);
        if (vcpu.priority == Priority::parked) {
            --parked_;
            update_release(domain_of(vcpu));
        }
    }
    // Parked vCPUs of a domain without a cap may run: nothing holds them back any more.
    void update_release(Domain& domain) {
        const std::uint64_t reach = domain.cap == 0 ? domain.parked.reach() : 0;
        if (reach == domain.reach)
            return;
        if (domain.reach != 0)
            released_.erase(domain);
        domain.reach = reach;
        if (reach != 0)
            released_.insert(domain);
    }
    [[nodiscard]] Vcpu* next_for(const Pcpu& pcpu) {
        for (plugin::Turns<Vcpu>& queue : queues_)
            if (Vcpu* const next = queue.first_for(pcpu.id); next != nullptr)
                return next;
        Domain* const domain =
            released_.find([&pcpu](std::uint64_t reach) { return plugin::reaches(reach, pcpu.id); });
        return domain == nullptr ? nullptr : domain->parked.first_for(pcpu.id);
    }
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
    // instants, and goes on with the accounting.
    void catch_up(RealTime now) {
        if (const std::int64_t ticks = ticks_at(now); ticks != ticks_seen_) {
            for (std::uint32_t i = 0; i < services_.pcpus(); ++i)
                if (Vcpu* vcpu = pcpus_[i].running; vcpu != nullptr)
                    bill(*vcpu, tick_ * (ticks - ticks_seen_));
            ticks_seen_ = ticks;
        }
        const std::int64_t periods = ticks_seen_ / ticks_per_accounting;
        if (active_.empty() || (accounted_ == nullptr && periods == periods_seen_))
            return;
        if (accounted_ == nullptr)
            begin_accounting(periods);
        for (int i = 0; i < most_accounted && accounted_ != nullptr; ++i)
            account_next();
        lasted_ = std::max(lasted_, periods - periods_seen_);
    }

    void bill(Vcpu& vcpu, Nanos amount) {
        vcpu.credit -= amount;
        vcpu.seen = true;
        activate(vcpu);
        if (vcpu.priority == Priority::boost)
            vcpu.priority = Priority::under;
    }

    // Active vCPUs are runnable, or were seen by a tick since their last accounting.
    void activate(Vcpu& vcpu) {
        if (vcpu.ActiveHook::is_linked())
            return;
        active_.push_back(vcpu);
        if (domain_of(vcpu).active++ == 0)
            count(domain_of(vcpu), vcpu.domain->weight);
    }
    void rest(Vcpu& vcpu) {
        if (accounted_ == &vcpu)
            accounted_ = following(vcpu);
        if (accounted_ != nullptr && last_ == &vcpu)
            last_ = &*--active_.iterator_to(vcpu);
        active_.erase(active_.iterator_to(vcpu));
        vcpu.seen = false;
        if (--domain_of(vcpu).active == 0)
            count(domain_of(vcpu), 0);
    }
    void count(Domain& domain, std::uint32_t weight) {
        weights_ += std::int64_t{weight} - domain.counted;
        domain.counted = weight;
    }
    Vcpu* following(Vcpu& vcpu) {
        auto next = ++active_.iterator_to(vcpu);
        return &vcpu == last_ || next == active_.end() ? nullptr : &*next;
    }

    // Credit for one period of all pCPUs, shared by the weights of the domains that a tick saw or that want
    // to run.
    void begin_accounting(std::int64_t periods) {
        amount_ = period_ * lasted_;
        lasted_ = 1;
        periods_seen_ = periods;
        shared_ = weights_;
        ++accounting_;
        accounted_ = &active_.front();
        last_ = &active_.back();
    }
    void account_next() {
        Vcpu& vcpu = *accounted_;
        accounted_ = following(vcpu);
        Domain& domain = domain_of(vcpu);
        if (domain.accounting != accounting_) {
            domain.accounting = accounting_;
            domain.sharing = domain.active;
        }
        hand_out(vcpu, domain);
        vcpu.seen = false;
        if (!vcpu.runnable)
            rest(vcpu);
    }
    void hand_out(Vcpu& vcpu, const Domain& domain) {
        Nanos amount = amount_ * services_.pcpus() * domain.weight / shared_;
        if (domain.cap != 0)
            amount = std::min(amount, amount_ * domain.cap / 100);
        vcpu.credit = std::clamp(vcpu.credit + amount / domain.sharing, -period_, period_);
        const Priority spent = domain.cap != 0 ? Priority::parked : Priority::over;
        set_priority(vcpu, vcpu.credit < Nanos{} ? spent : Priority::under);
    }

    void set_priority(Vcpu& vcpu, Priority priority) {
        if (vcpu.priority == priority || (vcpu.priority == Priority::boost && priority == Priority::under))
            return;
        if (!vcpu.queued()) {
            vcpu.priority = priority;
            return;
        }
        dequeue(vcpu);
        vcpu.priority = priority;
        enqueue(vcpu);
    }

    sched::Services services_;
    Pcpu* pcpus_;
    Nanos tick_, period_;
    std::int64_t ticks_seen_, periods_seen_;
    plugin::Turns<Vcpu> queues_[runnable_priorities];
    plugin::Tree<Domain, InAnyOrder> released_; // with parked vCPUs, and without a cap
    std::int64_t parked_ = 0;                   // vCPUs
    intrusive::list<Vcpu, intrusive::base_hook<ActiveHook>, intrusive::constant_time_size<false>> active_;
    std::int64_t weights_ = 0; // of the domains that have active vCPUs
    // The accounting in progress.
    Vcpu* accounted_ = nullptr; // next; nullptr: none is in progress
    Vcpu* last_ = nullptr;      // of this accounting
    Nanos amount_;              // its time on one pCPU
    std::int64_t lasted_ = 1;   // periods that the last one took: so many does the next one share out
    std::int64_t shared_ = 0;   // weights of those that share it
    std::int64_t accounting_ = 0;
};

} // namespace

BULKHEAD_SCHEDULER(CreditSampled)
