// All memory is given out in proportion to weights, used or not. A domain that cannot use its part
// leaves it to the others. Targets change only when domains come, go or get other weights.
//
// Paper:    C. A. Waldspurger, W. E. Weihl, "Lottery scheduling: flexible proportional-share resource
//           management", OSDI 1994, section 6.2 (memory in proportion to tickets).
// Good at:  a fair part of the memory for each, known beforehand; few decisions.
// Bad at:   idle memory (it counts like any other); guests that ignore their balloon (it takes nothing
//           by force).
// Bounds:   targets are in proportion to weights, to within a frame for each domain, except where a
//           domain's least or most limits them. Together they are the machine, or all that domains can
//           use.
#include "memctl/shares.hpp"

namespace {

using namespace bulkhead;
namespace shares = memctl::shares;
using memctl::Frames;

class ProportionalShare : public memctl::Policy {
  public:
    static constexpr memctl::Text text{
        .name = "proportional_share",
        .summary = "all memory by weight, used or not",
        .good_at = "a fair part for each, known beforehand",
        .bad_at = "idle memory, guests that ignore their balloon",
        .source = "Waldspurger and Weihl, Lottery scheduling, OSDI 1994",
    };

    explicit ProportionalShare(const memctl::Setup<ProportionalShare>& setup)
        : zones_{setup.zones}, frames_{setup.frames}, unreserved_{setup.frames} {}

    bool admit(const Domain& domain) { return domain.least <= unreserved_; }

    void rebalance(memctl::Plan<Domain> plan, RealTime) {
        unreserved_ = shares::unreserved(plan, frames_, shares::own_bounds<Domain>);
        shares::fill(plan, frames_, shares::by_weight<Domain>, shares::own_bounds<Domain>);
    }

    memctl::Grant choose(Domain&, Frames wanted) { return shares::from_emptiest(zones_, wanted); }

  private:
    std::span<const memctl::Zone> zones_;
    Frames frames_;
    Frames unreserved_;
};

} // namespace

BULKHEAD_MEMORY_POLICY(ProportionalShare)
