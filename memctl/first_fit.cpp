// A domain that comes early gets what it asks for, a later one gets the rest, and no domain gives
// anything back. Frames come from the first zone that has some. It is the example to copy: a whole
// memory policy in one file.
//
// Source:   D. E. Knuth, "The art of computer programming", volume 1, section 2.5 (first fit); a
//           hypervisor that gives each domain its memory when it is built does the same.
// Good at:  domains that came early: no paging; no decisions afterwards.
// Bad at:   domains that come late; idle memory stays where it is; weights (ignored).
// Bounds:   a domain keeps the target that it got when it was built.
#include "memctl/contract.hpp"

#include <algorithm>

namespace {

using namespace bulkhead;
using memctl::Frames;

class FirstFit : public memctl::Policy {
  public:
    static constexpr memctl::Text text{
        .name = "first_fit",
        .summary = "first come, first served, for good; frames from the first zone that has some",
        .good_at = "domains that came early; no decisions afterwards",
        .bad_at = "domains that come late; idle memory stays where it is; weights (ignored)",
        .source = "Knuth, The art of computer programming, volume 1, section 2.5",
    };

    explicit FirstFit(const memctl::Setup<FirstFit>& setup)
        : zones_{setup.zones}, frames_{setup.frames}, left_{setup.frames} {}

    bool admit(Domain& domain) { return domain.least <= left_; }

    void rebalance(memctl::Plan<Domain> plan, RealTime) {
        left_ = frames_;
        for (std::size_t i = 0; i < plan.size(); ++i)
            left_ -= plan.target(i);
        for (std::size_t i = 0; i < plan.size(); ++i)
            if (plan.target(i) == Frames{}) { // it has just come
                plan.target(i) = std::min(plan.domain(i).most, left_);
                left_ -= plan.target(i);
            }
    }

    memctl::Grant choose(Domain&, Frames wanted) {
        for (const memctl::Zone& zone : zones_)
            if (zone.free > Frames{})
                return {zone.id, std::min(zone.free, wanted)};
        return memctl::Grant::none();
    }

  private:
    std::span<const memctl::Zone> zones_;
    Frames frames_;
    Frames left_; // of them, not promised to a domain
};

} // namespace

BULKHEAD_MEMORY_POLICY(FirstFit)
