// Each domain asks for its share in requests of `request` CPU time. A request is eligible once the
// domain has had no more than an ideal processor would have given it by now; its virtual deadline is the
// instant at which that processor would have served it. Of the eligible domains the one with the
// earliest deadline runs until its request is served. A domain that leaves keeps a credit of up to one
// request, and keeps its debt until the debt is paid.
//
// Paper:    I. Stoica, H. Abdel-Wahab, "Earliest eligible virtual deadline first: a flexible and
//           accurate mechanism for proportional share resource allocation", ODU TR-95-22, 1995.
// Good at:  the smallest possible error of shares; only short requests buy latency.
// Bad at:   wake-up latency next to hogs with the same request length: about half a request.
// Bounds:   on one pCPU the share of a domain that always wants to run is that of its weight, to within
//           one request in any window. A woken domain starts within one request of each competing
//           domain. Waits are bounded as
//           sched/patience.hpp says, plus the turns of other domains that waited as long.
#include "sched/share_queue.hpp"

namespace {

using namespace bulkhead;
namespace shares = sched::shares;

class Eevdf : public sched::Policy {
  public:
    using Vcpu = shares::Vcpu;
    using Pcpu = shares::Pcpu;
    struct Domain : shares::Domain {
        VirtualTime deadline;
        Nanos owed;    // when its last vCPU stopped: how far it was behind, in virtual time
        bool eligible; // in which of the two orders it is
    };

    static constexpr plugin::Parameter parameters[] = {
        {"request", "us", "CPU time of one request; shorter ones are served sooner", 2'000, 100, 50'000},
        {"rate_limit", "us", "a domain preempts others at most once per this time", 1'000, 100, 20'000},
    };
    static constexpr sched::Text text{
        .name = "eevdf",
        .summary = "the earliest virtual deadline among the domains that are owed time",
        .good_at = "exact shares by weight per domain in any window",
        .bad_at = "wake-up latency unless requests are short",
        .source = "Stoica and Abdel-Wahab, Earliest eligible virtual deadline first, ODU TR-95-22, 1995",
    };

    explicit Eevdf(const sched::Setup<Eevdf>& setup)
        : services_{setup.services}, running_{setup.services, setup.pcpus},
          request_{microseconds(setup.values[0])}, allowance_{microseconds(setup.values[1]), burst} {}

    void attach(Vcpu& vcpu) { queue_.attach(domain_of(vcpu)); }
    void detach(Vcpu& vcpu) { queue_.detach(domain_of(vcpu)); }

    void wake(Vcpu& vcpu, RealTime now) {
        settle(now);
        Domain& domain = domain_of(vcpu);
        if (domain.runnable++ == 0)
            join(domain);
        queue_.push_back(vcpu, now);
        Pcpu* victim = running_.weakest_for(vcpu, LaterDeadline{});
        if (victim != nullptr && domain.position <= clock() &&
            LaterDeadline{}(*victim->running->domain, domain) &&
            !running_.must_leave_to(domain_of(*victim->running), domain, active_) &&
            queue_.may_run(domain, now) && allowance_.pay(domain, now)) {
            victim->claimed = &domain;
            services_.kick(victim->id);
        }
    }

    void deschedule(Vcpu& vcpu, sched::Stop why, Nanos ran, RealTime now) {
        Domain& domain = domain_of(vcpu);
        if (vcpu.queued()) // paused or gone while it waited
            queue_.remove(vcpu);
        else
            bill(domain, running_.stop(vcpu, why, ran), now);
        if (!sched::still_runnable(why)) {
            if (--domain.runnable == 0)
                leave(domain);
            return;
        }
        if (why == sched::Stop::yielded) // the rest of its request is given away
            advance(domain, domain.deadline - domain.position);
        queue_.push_again(vcpu, why, now);
    }

    sched::Decision pick(Pcpu& pcpu, RealTime now) {
        settle(now);
        const auto [vcpu, impatient, least] = queue_.take_for(pcpu, now, running_, active_);
        if (vcpu == nullptr) {
            running_.idle(pcpu);
            return queue_.idle(now);
        }
        const Domain& domain = domain_of(*vcpu);
        running_.start(pcpu, *vcpu, now);
        const Nanos rest = shares::unscaled(domain.deadline - domain.position, domain.weight);
        return {vcpu, impatient ? sched::least_slice
                                : std::max(sched::Caps::slice(domain, rest), sched::least_slice)};
    }

    void charge(Vcpu& vcpu, Nanos amount) { bill(domain_of(vcpu), amount, services_.now()); }

    void tune(Domain& domain) {
        if (domain.runnable != 0) {
            leave(domain);
            join(domain);
        }
        if (queue_.retune(domain, services_.now()))
            running_.kick_idle(services_);
    }

  private:
    static constexpr std::int64_t burst = 8; // preemptions that a domain may save up

    struct Lower {
        bool operator()(const Domain& a, const Domain& b) const { return a.position < b.position; }
    };
    struct Sooner {
        bool operator()(const Domain& a, const Domain& b) const { return a.deadline < b.deadline; }
    };
    struct LaterDeadline {
        bool operator()(const sched::Domain& a, const sched::Domain& b) const {
            return static_cast<const Domain&>(a).deadline > static_cast<const Domain&>(b).deadline;
        }
    };

    // Eligible domains by deadline, then the others by position. A domain becomes eligible when the clock has
    // come to its position, once for each request. One pick looks at a few of them, so that it is short also
    // when the clock passes thousands at once.
    class Eligibles {
      public:
        void insert(Domain& domain) {
            domain.eligible = domain.position <= clock;
            domain.eligible ? eligible_.insert(domain) : later_.insert(domain);
        }
        void erase(Domain& domain) { domain.eligible ? eligible_.erase(domain) : later_.erase(domain); }
        void reached(Domain& domain) { domain.eligible ? eligible_.reached(domain) : later_.reached(domain); }
        [[nodiscard]] Domain* first_for(PcpuId pcpu) {
            Domain* next = later_.first();
            if (next != nullptr && eligible_.first() == nullptr)
                clock = std::max(clock, next->position); // no domain is owed time: the clock is behind
            for (int moved = 0; moved < most_moved && next != nullptr && next->position <= clock; ++moved) {
                later_.erase(*next);
                insert(*next);
                next = later_.first();
            }
            Domain* const found = eligible_.first_for(pcpu);
            return found != nullptr ? found : later_.first_for(pcpu);
        }
        VirtualTime clock; // what an ideal processor would have given to each, over its weight

      private:
        static constexpr int most_moved = 8;
        shares::Sorted<Domain, Sooner> eligible_;
        shares::Sorted<Domain, Lower> later_;
    };

    static Domain& domain_of(const Vcpu& vcpu) { return static_cast<Domain&>(*vcpu.domain); }
    [[nodiscard]] VirtualTime& clock() { return queue_.order().clock; }

    // The clock moves so that what all domains are owed still adds up to nothing.
    void join(Domain& domain) {
        const Nanos most = shares::scaled(request_, domain.weight);
        domain.position = std::max(domain.position, clock() - std::min(domain.owed, most));
        domain.counted = domain.weight;
        active_ += domain.counted;
        clock() = clock() - (clock() - domain.position) / active_ * domain.counted;
        domain.deadline = domain.position + most;
    }
    void leave(Domain& domain) {
        active_ -= domain.counted;
        domain.owed = std::max(clock() - domain.position, Nanos{});
        if (active_ != 0)
            clock() += (clock() - domain.position) / active_ * domain.counted;
    }

    void bill(Domain& domain, Nanos time, RealTime now) {
        queue_.spend(domain, time, now, running_);
        if (active_ != 0)
            clock() += time * 65'536 / active_;
        advance(domain, shares::scaled(time, domain.weight));
    }
    void advance(Domain& domain, Nanos by) {
        const Nanos request = shares::scaled(request_, domain.weight);
        domain.position = std::max(domain.position + by, clock() - request * 2);
        if (domain.position >= domain.deadline)
            domain.deadline = domain.position + request;
        queue_.reorder(domain);
    }
    void settle(RealTime now) {
        running_.settle(now, [this, now](shares::Domain& domain, Nanos time) {
            bill(static_cast<Domain&>(domain), time, now);
        });
    }

    sched::Services services_;
    shares::Running running_;
    Nanos request_;
    shares::Allowance allowance_;
    std::int64_t active_ = 0; // weights of the domains with runnable vCPUs
    shares::Queue<Domain, Eligibles> queue_;
};

} // namespace

BULKHEAD_SCHEDULER(Eevdf)
