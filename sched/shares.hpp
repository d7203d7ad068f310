// The common part of policies that share by weight: the accounts of domains in virtual time, and orders of
// domains. Weight belongs to the domain, so the number of its vCPUs changes nothing, and every operation
// costs at most logarithmic time. sched/share_queue.hpp has the queue of vCPUs, sched/running.hpp what runs
// where.
#pragma once

#include "plugin/turns.hpp"
#include "sched/caps.hpp"
#include "sched/patience.hpp"

namespace bulkhead::sched::shares {

struct ByOrder; // tag
using OrderHook = plugin::TreeHook<std::uint64_t, ByOrder>;

struct Pcpu;
struct Vcpu : sched::Vcpu, plugin::TurnHook<>, PatientVcpu {
    Pcpu* cut_on; // see Pcpu::cut
    [[nodiscard]] bool queued() const { return TurnHook::waits(); }
};

struct Domain : sched::Domain, OrderHook, PatientDomain<Vcpu>, CappedDomain {
    VirtualTime position;     // CPU time of its vCPUs over its weight
    plugin::Turns<Vcpu> turn; // its queued vCPUs, next one first
    std::uint64_t reach;      // bit n: one of them may run on pCPU n
    std::uint32_t counted;    // its weight as the accounts last saw it
    RealTime paid_to;         // see Allowance
};

struct Pcpu : sched::Pcpu {
    Vcpu* running;
    Vcpu* cut;             // ran here last without giving way, and waits
    RealTime since;        // what it ran until then is billed
    Nanos billed;          // of this run
    const Domain* claimed; // for a vCPU of it the pCPU was kicked, and has not picked since
};

inline Domain& domain_of(const sched::Vcpu& vcpu) { return static_cast<Domain&>(*vcpu.domain); }

// CPU time as virtual time: 65,536 virtual nanoseconds for each at weight 1, so that rounding never matters.
constexpr Nanos scaled(Nanos time, std::uint32_t weight) { return time * 65'536 / weight; }
constexpr Nanos unscaled(Nanos virtual_time, std::uint32_t weight) { return virtual_time / 65'536 * weight; }

// Who had how much. The machine's own virtual time is the position of the domain it serves, as in start-time
// fair queuing (Goyal, Vin, Cheng, SIGCOMM 1996); that stays right when a weight is larger than what the
// domain's vCPUs can use on several pCPUs. No domain falls behind it by more than what is due to it in
// `saving` when all want to run: sleeping is no bank.
class Accounts {
  public:
    Accounts(std::uint32_t pcpus, Nanos saving) : pcpus_{pcpus}, saving_{saving} {}

    void attach(Domain& domain) {
        if (domain.vcpus == 1)
            retune(domain);
    }
    void detach(Domain& domain) {
        if (domain.vcpus == 1)
            count(domain, 0);
    }
    // One more of its vCPUs is runnable. `domain` is in no queue when its first one wakes.
    void wakes(Domain& domain) {
        if (domain.runnable++ != 0)
            return;
        domain.position = std::max(domain.position, floor());
        active_ += domain.counted;
    }
    void sleeps(Domain& domain) {
        if (--domain.runnable == 0)
            active_ -= domain.counted;
    }
    // Weights of the domains with runnable vCPUs.
    [[nodiscard]] std::int64_t active() const { return active_; }

    void bill(Domain& domain, Nanos time) const {
        domain.position = std::max(domain.position + scaled(time, domain.weight), floor());
    }
    // A vCPU of it is about to run. If it is the one that has had least, the machine's time is its position.
    // `behind` holds that back, if it is less: the position of a domain that runs on another pCPU. It holds
    // it back by at most `saving` of this domain's CPU time.
    void serves(Domain& domain, bool least, VirtualTime behind) {
        if (least)
            clock_ = std::max({clock_, behind, domain.position - scaled(saving_, domain.weight)});
        domain.position = std::max(domain.position, floor());
    }

    // Its weight changed: what it is ahead or behind stays the same CPU time.
    void retune(Domain& domain) {
        domain.position = clock_ + scaled(unscaled(domain.position - clock_, domain.counted), domain.weight);
        weights_ += domain.weight - std::int64_t{domain.counted};
        if (domain.runnable != 0)
            active_ += domain.weight - std::int64_t{domain.counted};
        domain.counted = domain.weight;
        most_behind_ = saving_ * 65'536 / std::max(weights_, std::int64_t{1}) * pcpus_;
    }

  private:
    void count(Domain& domain, std::uint32_t weight) {
        weights_ += std::int64_t{weight} - domain.counted;
        domain.counted = weight;
        most_behind_ = saving_ * 65'536 / std::max(weights_, std::int64_t{1}) * pcpus_;
    }
    [[nodiscard]] VirtualTime floor() const { return clock_ - most_behind_; }

    std::uint32_t pcpus_;
    Nanos saving_;
    VirtualTime clock_;
    std::int64_t weights_ = 0, active_ = 0; // of all attached domains; of those with runnable vCPUs
    Nanos most_behind_;
};

// Domains in the order `Before`, which compares two of D; equal ones in the order in which they came.
template<class D, class Before>
class Sorted {
  public:
    void insert(D& domain) { domains_.insert(domain); }
    void erase(D& domain) { domains_.erase(domain); }
    void reached(D& domain) { domains_.changed(domain); } // its vCPUs may run on other pCPUs than before
    [[nodiscard]] D* first() const { return domains_.first(); }
    [[nodiscard]] D* first_for(PcpuId pcpu) const {
        if (D* const leader = first(); leader == nullptr || plugin::reaches(leader->reach, pcpu))
            return leader;
        return domains_.find([pcpu](std::uint64_t reach) { return plugin::reaches(reach, pcpu); });
    }

  private:
    struct Order {
        using Hook = OrderHook;
        static bool before(const D& a, const D& b) { return Before{}(a, b); }
        static std::uint64_t own(const D& domain) { return domain.reach; }
        static std::uint64_t join(std::uint64_t a, std::uint64_t b) { return a | b; }
    };
    plugin::Tree<D, Order> domains_;
};

} // namespace bulkhead::sched::shares
