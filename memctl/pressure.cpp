// A guest's own stalls decide. Once in an interval each domain's pressure is the time that it waited for
// pages that it had paged out, as a part of that and of its running time. A domain under a threshold loses a
// small part of its frames, the less the nearer it is; one that is over it, and misses frames, gets some
// back, each time twice as many. Where goals do not fit into the machine, weights decide.
//
// Paper:    J. Weiner et al., "TMO: transparent memory offloading in datacenters", ASPLOS 2022, section
//           3.3: reclaim = size * reclaim_ratio * max(0, 1 - pressure / threshold), with 500 ppm,
//           1,000 ppm and an interval of 6 s. The defaults here suit runs of seconds. TMO leaves growth to
//           the kernel; here the balloon's target must grow too.
// Good at:  memory that nobody misses becomes free, without any look at pages; no working set is estimated.
// Bad at:   guests that come back from idleness page at first; each try to reclaim more costs a guest some
//           stalls; guests that claim stalls they do not have keep what others do not need.
// Bounds:   a domain under the threshold is asked for reclaim_ratio of its target in an interval, and
//           for more only so that others get their part by weight. A domain that stalls and misses frames
//           in twenty intervals in a row has its part by weight, or its size, whatever others claim. A
//           guest that reports nothing has its part by weight, too. After a try to reclaim that led to
//           stalls, twice as many intervals as before pass without another one, up to 64. From a domain
//           over its target for the patience the whole excess is wanted by force from the host's next look
//           on.
#include "memctl/shares.hpp"

#include <utility>

namespace {

using namespace bulkhead;
namespace shares = memctl::shares;
using memctl::Frames;

class Pressure : public memctl::Policy {
  public:
    // Since the interval began, and the way that the target goes.
    struct Domain : memctl::Domain {
        bool known;                      // was in a rebalance before
        bool misses;                     // wanted a frame that it did not have
        Nanos stalls;                    // what it waited for its pages
        Nanos ran_before, waited_before; // when the interval began
        Frames goal;
        Frames step;               // what it was given at the last judgement; none: it did not grow
        std::uint32_t tries;       // at reclaiming, since the last stall
        std::uint32_t pause, rest; // intervals after a stall without a try; those that are left of them
    };

    static constexpr plugin::Parameter parameters[] = {
        {"interval", "ms", "time between two judgements of a domain's pressure", 100, 10, 60'000},
        {"threshold", "ppm", "pressure that a domain may have", 1'000, 1, 1'000'000},
        {"reclaim_ratio", "ppm", "part of its frames that a domain without pressure loses in an interval",
         10'000, 1, 100'000},
        {"patience", "ms", "time that a domain may be over its target before force is used", 500, 0, 60'000},
    };
    static constexpr memctl::Text text{
        .name = "pressure",
        .summary = "reclaim from domains that do not stall for memory, give to those that do",
        .good_at = "memory that nobody misses becomes free",
        .bad_at = "guests that come back from idleness, or claim stalls that they do not have",
        .source = "Weiner et al., TMO: transparent memory offloading in datacenters, ASPLOS 2022",
    };

    explicit Pressure(const memctl::Setup<Pressure>& setup)
        : services_{setup.services}, zones_{setup.zones}, frames_{setup.frames}, unreserved_{setup.frames},
          interval_{milliseconds(setup.values[0])}, threshold_{setup.values[1]},
          reclaim_ratio_{setup.values[2]}, patience_{milliseconds(setup.values[3])} {}

    bool admit(const Domain& domain) { return domain.least <= unreserved_; }

    void rebalance(memctl::Plan<Domain> plan, RealTime now) {
        const bool over = now - began_ >= interval_;
        if (over)
            began_ = now;
        Frames left = frames_, goals{};
        for (std::size_t i = 0; i < plan.size(); ++i)
            left -= plan.target(i);
        for (std::size_t i = 0; i < plan.size(); ++i) {
            Domain& domain = plan.domain(i);
            if (!std::exchange(domain.known, true))
                welcome(domain, left);
            observe(domain);
            if (over)
                judge(domain);
            goals += domain.goal;
        }
        unreserved_ = shares::unreserved(plan, frames_, shares::own_bounds<Domain>);
        if (goals > frames_)
            shares::fill(plan, frames_, shares::by_weight<Domain>,
                         [](const Domain& domain) { return shares::Bounds{domain.least, domain.goal}; });
        for (std::size_t i = 0; i < plan.size(); ++i) {
            Frames& goal = plan.domain(i).goal;
            plan.target(i) = goal = goals > frames_ ? plan.target(i) : goal;
        }
    }

    memctl::Grant choose(Domain&, Frames wanted) { return shares::from_emptiest(zones_, wanted); }
    Frames reclaim(const Domain&, Frames over, Nanos late) { return late >= patience_ ? over : Frames{}; }

  private:
    static constexpr std::int64_t million = 1'000'000;
    static constexpr std::int64_t largest_step = 8; // part of its size that a domain gets back at once
    static constexpr std::uint32_t longest_pause = 64;
    static constexpr std::uint32_t proven = 8; // tries without a stall, after which the next pause is short

    // A new domain has what is left. One of another policy's has its target.
    static void welcome(Domain& domain, Frames& left) {
        domain.goal = domain.target;
        if (domain.target == Frames{}) {
            domain.goal = std::clamp(left, domain.least, domain.most);
            left -= domain.goal;
        }
        domain.ran_before = domain.ran;
        domain.waited_before = domain.waited;
    }
    static void observe(Domain& domain) {
        domain.stalls += domain.memory_pressure.stalled;
        domain.misses |= domain.missed != 0;
    }

    // Sets the goal for the next interval.
    void judge(Domain& domain) const {
        const Nanos ran = domain.ran - std::exchange(domain.ran_before, domain.ran);
        const Nanos waited = domain.waited - std::exchange(domain.waited_before, domain.waited);
        const Nanos stalls = std::exchange(domain.stalls, Nanos{});
        const bool misses = std::exchange(domain.misses, false);
        const Nanos whole = ran + stalls;
        const std::int64_t pressure = whole > Nanos{} ? stalls.count() / 1'000 * million /
                                                            std::max<std::int64_t>(whole.count() / 1'000, 1)
                                                      : 0;
        if (!domain.memory_pressure.is_measured)
            domain.goal = domain.most;
        else if (pressure >= threshold_)
            stall(domain, stalls, misses);
        else if (domain.step > Frames{} || domain.rest > 0)
            wait(domain);
        else if (domain.balloon <= memctl::Balloon::moving && (whole > Nanos{} || waited == Nanos{}))
            take(domain, pressure);
    }
    // It needs more. If it does not miss frames, it reads what it had paged out into those that it has.
    void stall(Domain& domain, Nanos stalls, bool misses) const {
        services_.note(domain.id.value(), static_cast<std::uint64_t>(stalls.count()));
        if (domain.tries > 0) {
            const bool was_proven = domain.tries >= proven;
            domain.pause = was_proven ? 1 : std::min(std::max(domain.pause * 2, 1U), longest_pause);
            domain.tries = 0;
        }
        domain.rest = domain.pause;
        if (!misses)
            return;
        const Frames most{std::max<std::int64_t>(domain.most.count() / largest_step, 1)};
        domain.step = std::min(domain.step > Frames{} ? domain.step + domain.step : part_of(domain), most);
        domain.goal = std::min(domain.goal + domain.step, domain.most);
    }
    // It fills what it was given, or is not to be tried yet.
    void wait(Domain& domain) const {
        domain.rest -= std::min(domain.rest, 1U);
        domain.step = Frames{domain.step.count() / 2};
        if (domain.step < part_of(domain))
            domain.step = {};
    }
    void take(Domain& domain, std::int64_t pressure) const {
        ++domain.tries;
        const std::int64_t part = part_of(domain).count() * (threshold_ - pressure) / threshold_;
        domain.goal = std::max(domain.goal - Frames{part}, domain.least);
    }
    [[nodiscard]] Frames part_of(const Domain& domain) const {
        return Frames{std::max<std::int64_t>(domain.goal.count() * reclaim_ratio_ / million, 1)};
    }

    memctl::Services services_;
    std::span<const memctl::Zone> zones_;
    Frames frames_;
    Frames unreserved_;
    RealTime began_{}; // the interval
    Nanos interval_;
    std::int64_t threshold_, reclaim_ratio_;
    Nanos patience_;
};

} // namespace

BULKHEAD_MEMORY_POLICY(Pressure)
