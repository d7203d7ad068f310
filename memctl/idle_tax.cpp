// Memory is shared by weight, but an idle page costs more than one in use: 1 / (1 - tax) times as much.
// So memory that a domain does not use goes to domains that would use it, and comes back when it is used
// again. Frames that a domain was given by weight and does not ask for go to those that miss some. Use is
// estimated from sampled pages as the largest of a slow average, a fast one and the last
// sample, so more use shows at once and less use late; a domain that pages counts as using all.
//
// Paper:    C. A. Waldspurger, "Memory resource management in VMware ESX Server", OSDI 2002, section 5:
//           with a fraction f of its P pages in use, a domain of S shares has S / (P (f + k (1 - f)))
//           shares per page, k = 1 / (1 - tax); at the targets that is the same for all.
// Good at:  memory for domains that use it, next to guests that hoard it.
// Bad at:   a guest that only pretends to use its memory; guests that come back from idleness page at
//           first.
// Bounds:   between equal weights, a domain that uses all its frames gets 1 / (1 - tax) times the frames
//           of one that uses none, within its least and most. From a domain over its target for the
//           patience the whole excess is wanted by force from the host's next look on: one period later at
//           most.
#include "memctl/shares.hpp"

namespace {

using namespace bulkhead;
namespace shares = memctl::shares;
using memctl::Frames;

class IdleTax : public memctl::Policy {
  public:
    struct Domain : memctl::Domain, shares::Asking {
        std::int64_t slow, fast, last; // parts in a million of its frames that are in use
    };

    static constexpr plugin::Parameter parameters[] = {
        {"tax", "%", "part of an idle page that is taxed away", 75, 0, 99},
        {"patience", "ms", "time that a domain may be over its target before force is used", 500, 0, 60'000},
    };
    static constexpr memctl::Text text{
        .name = "idle_tax",
        .summary = "memory by weight, but idle pages cost more",
        .good_at = "memory for domains that use it, next to guests that hoard",
        .bad_at = "guests that pretend to use their memory, or come back from idleness",
        .source = "Waldspurger, Memory resource management in VMware ESX Server, OSDI 2002, section 5",
    };

    explicit IdleTax(const memctl::Setup<IdleTax>& setup)
        : zones_{setup.zones}, frames_{setup.frames}, unreserved_{setup.frames}, tax_{setup.values[0]},
          patience_{milliseconds(setup.values[1])} {}

    bool admit(Domain& domain) {
        domain.slow = domain.fast = domain.last = whole; // until something is known
        return domain.least <= unreserved_;
    }

    void sample(Domain& domain, Frames looked_at, Frames used, RealTime) {
        domain.last = used.count() * whole / looked_at.count();
        domain.slow += (domain.last - domain.slow) / 16;
        domain.fast += (domain.last - domain.fast) / 2;
    }

    // A domain that pages wants more than it has, however few of its pages it comes to use meanwhile. It
    // still does while it fills what it was given for that; else its target would fall, and rise again.
    void rebalance(memctl::Plan<Domain> plan, RealTime) {
        for (std::size_t i = 0; i < plan.size(); ++i)
            if (plan.domain(i).missed > 0 || plan.domain(i).asks > 1)
                plan.domain(i).last = plan.domain(i).fast = whole;
        unreserved_ = shares::unreserved(plan, frames_, shares::own_bounds<Domain>);
        shares::fill_first_who_asks(
            plan, frames_, [this](const Domain& domain, std::int64_t level) { return claim(domain, level); },
            shares::own_bounds<Domain>, [](const Domain& domain) { return domain.has; }, asks_on);
    }

    memctl::Grant choose(Domain&, Frames wanted) { return shares::from_emptiest(zones_, wanted); }
    Frames reclaim(const Domain&, Frames over, Nanos late) { return late >= patience_ ? over : Frames{}; }

  private:
    static constexpr std::int64_t whole = 1'000'000;
    static constexpr std::uint32_t asks_on =
        10; // a guest that pages slowly does not miss some in each period
    static Frames in_use(const Domain& domain) {
        const std::int64_t part = std::max({domain.slow, domain.fast, domain.last});
        return Frames{domain.has.count() * part / whole};
    }
    // P of the formula above, when the level is what a page costs.
    [[nodiscard]] Frames claim(const Domain& domain, std::int64_t level) const {
        const Frames untaxed = shares::by_weight(domain, level), used = in_use(domain);
        if (untaxed <= used)
            return untaxed;
        return used + Frames{(untaxed - used).count() * (100 - tax_) / 100};
    }

    std::span<const memctl::Zone> zones_;
    Frames frames_;
    Frames unreserved_;
    std::int64_t tax_;
    Nanos patience_;
};

} // namespace

BULKHEAD_MEMORY_POLICY(IdleTax)
