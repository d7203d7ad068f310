// Every domain gets its working set: the frames that it used lately, by sampling, or, if it misses some,
// all its frames and the missed ones. Lately is a window of its own time, so that a domain does not lose
// its set because it waits for a pCPU or for its pages. The rest goes to those that miss frames, and what
// they leave to all domains by weight. When the machine cannot hold all working sets, no domain's part is
// more than its working set, and they share by weight.
//
// Paper:    P. J. Denning, "The working set model for program behavior", CACM 11(5), 1968: the pages
//           used in the last window are those that will be used next; the window is its tau. The size by
//           sampled accessed bits, in a hypervisor: C. A. Waldspurger, "Memory resource management in
//           VMware ESX Server", OSDI 2002, section 5.3.
// Good at:  memory for the domain that needs it now, whichever had it before; weights do not matter
//           while all fits.
// Bad at:   a guest that only pretends to use its memory has its part by weight; a guest loses a page
//           that it uses less than once in a window. Denning takes a program out if its set does not
//           fit; here it pages.
// Bounds:   if all working sets (with the spare part) fit, each domain has its own; otherwise each has
//           its own or at least its part of the machine by weight, within the minimum of other domains.
//           A set that grows shows at the next rebalance, one that shrinks after a window, and then by an
//           eighth at each rebalance. The size stays while chance explains what samples show
//           (memctl/estimate.hpp). A set that was taken for smaller than it is, and missed, shrinks again
//           only once its use falls by an eighth of what it was. From a domain over its target for the
//           patience the whole excess is wanted by force from the host's next look on: one period later at
//           most.
#include "memctl/estimate.hpp"
#include "memctl/shares.hpp"

#include <utility>

namespace {

using namespace bulkhead;
namespace shares = memctl::shares;
using memctl::Frames;

class WorkingSet : public memctl::Policy {
  public:
    static constexpr std::size_t parts = 8;      // of a window, each with the largest set that was seen in it
    static constexpr std::int64_t step_down = 8; // part of a target by which it falls at most at a rebalance
    // Samples see only what a domain uses within a period, which is less than its set. So a domain can be
    // lowered too far: it misses pages that it had. The frames that it has when the misses end are its
    // proven set. It stays while the domain uses seven eighths of what it used then.
    class Proof {
      public:
        [[nodiscard]] Frames set() const { return set_; } // none: nothing is proven
        void judge(Frames has, Frames had, bool missed, Frames uses) {
            if (std::exchange(missing_, missed) && !missed && (lowered_ || set_ != Frames{}))
                set_ = has, used_ = {}, age_ = 0, lowered_ = false;
            lowered_ |= has < had;
            if (set_ == Frames{} || missed)
                return;
            if (age_ < settled) // the samples of before are still in the mean
                ++age_, used_ = uses;
            else if (uses.count() < used_.count() - used_.count() / 8)
                set_ = {};
            else
                used_ = std::max(used_, uses);
        }

      private:
        static constexpr std::uint32_t settled = 32; // rebalances
        Frames set_, used_;
        std::uint32_t age_ = 0;
        bool lowered_ = false, missing_ = false; // has fewer frames than it once had; missed some at last
    };
    struct Domain : memctl::Domain, shares::Asking {
        Frames seen[parts];
        Nanos age;                       // its own time
        Nanos until;                     // its age when the newest part is over
        Nanos ran_before, waited_before; // at the last rebalance
        memctl::Estimate used;           // by samples
        Frames had;                      // at the last rebalance
        bool sampled;                    // ever; else all that it has is in use
        Proof proof;
        Frames wanted; // the working set, and something to spare
    };

    static constexpr plugin::Parameter parameters[] = {
        {"window", "ms", "a page used within so much of its own time belongs to the working set", 1'000, 10,
         60'000},
        {"spare", "%", "extra part of the working set, since its size is estimated from samples", 10, 0, 200},
        {"patience", "ms", "time that a domain may be over its target before force is used", 500, 0, 60'000},
    };
    static constexpr memctl::Text text{
        .name = "working_set",
        .summary = "to each domain its working set, the rest by weight",
        .good_at = "memory for the domain that needs it now, whichever had it before",
        .bad_at = "guests that pretend to use their memory, pages that are used seldom",
        .source = "Denning, The working set model for program behavior, CACM 1968",
    };

    explicit WorkingSet(const memctl::Setup<WorkingSet>& setup)
        : zones_{setup.zones}, frames_{setup.frames}, unreserved_{setup.frames},
          part_{microseconds(setup.values[0] * 1'000 / static_cast<std::int64_t>(parts))},
          spare_{setup.values[1]}, patience_{milliseconds(setup.values[2])} {}

    bool admit(const Domain& domain) { return domain.least <= unreserved_; }

    void sample(Domain& domain, Frames looked_at, Frames used, RealTime) {
        domain.sampled = true;
        domain.used.see(domain.has, looked_at, used);
    }

    void rebalance(memctl::Plan<Domain> plan, RealTime now) {
        const Nanos passed = now - std::exchange(last_, now);
        Frames sum{};
        for (std::size_t i = 0; i < plan.size(); ++i)
            sum += plan.domain(i).wanted = estimate(plan.domain(i), passed);
        unreserved_ = shares::unreserved(plan, frames_, shares::own_bounds<Domain>);
        if (sum <= frames_)
            shares::fill_first_who_asks(
                plan, frames_, shares::by_weight<Domain>,
                [](const Domain& domain) { return shares::Bounds{domain.wanted, domain.most}; },
                [](const Domain& domain) { return domain.wanted; }, 1);
        else
            shares::fill(plan, frames_, shares::by_weight<Domain>,
                         [](const Domain& domain) { return shares::Bounds{domain.least, domain.wanted}; });
    }

    memctl::Grant choose(Domain&, Frames wanted) { return shares::from_emptiest(zones_, wanted); }
    Frames reclaim(const Domain&, Frames over, Nanos late) { return late >= patience_ ? over : Frames{}; }

  private:
    // A domain grows older while it could run if it wanted, and, if it misses frames, while it runs: what it
    // waits for a page or a pCPU makes no page older.
    static void grow_older(Domain& domain, Nanos passed) {
        const Nanos ran = domain.ran - std::exchange(domain.ran_before, domain.ran);
        const Nanos waited = domain.waited - std::exchange(domain.waited_before, domain.waited);
        domain.age += domain.missed != 0 ? ran : std::max(ran, passed - waited);
    }
    // Who misses pages works with more than it has, however few it comes to use while it waits for them. The
    // largest set that was seen within the window counts.
    Frames estimate(Domain& domain, Nanos passed) const {
        grow_older(domain, passed);
        const Frames missed{
            static_cast<std::int64_t>(std::min<std::uint64_t>(domain.missed, most_of(domain)))};
        // The sampled pages were drawn before the domain took its latest frames, which it uses.
        domain.proof.judge(domain.has, domain.had, domain.missed != 0, domain.used.frames());
        const Frames grown = std::max(domain.has - std::exchange(domain.had, domain.has), Frames{});
        const Frames used = domain.sampled ? std::min(domain.used.frames() + grown, domain.has) : domain.has;
        const Frames seen = missed > Frames{} ? domain.has + missed : used;
        for (std::size_t i = 0; i < parts && domain.until <= domain.age; ++i) {
            std::shift_right(std::begin(domain.seen), std::end(domain.seen), 1);
            domain.seen[0] = Frames{};
            domain.until = domain.until + part_;
        }
        domain.until = std::max(domain.until, domain.age + Nanos{1});
        domain.seen[0] = std::max(domain.seen[0], seen);
        const Frames largest = std::max(*std::ranges::max_element(domain.seen), domain.proof.set());
        const Frames spared = largest + Frames{largest.count() * spare_ / 100};
        // Down in steps, so that a set that was taken for smaller than it is shows by its first misses.
        const Frames step{domain.wanted.count() / step_down};
        return std::clamp(std::max(spared, domain.wanted - step), domain.least, domain.most);
    }
    static std::uint64_t most_of(const Domain& domain) {
        return static_cast<std::uint64_t>(domain.most.count());
    }

    std::span<const memctl::Zone> zones_;
    Frames frames_;
    Frames unreserved_;
    RealTime last_{}; // rebalance
    Nanos part_;
    std::int64_t spare_;
    Nanos patience_;
};

} // namespace

BULKHEAD_MEMORY_POLICY(WorkingSet)
