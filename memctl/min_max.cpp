// Every domain has a reservation and a limit; the rest of the machine is shared by weight between them.
// From a domain that stays over its target for too long the excess is wanted by force.
//
// Paper:    C. A. Waldspurger, "Memory resource management in VMware ESX Server", OSDI 2002, section 5.1
//           (min, max and shares) and 6.1 (admission).
// Good at:  guarantees: a reservation holds for any behaviour of other guests; limits that hold.
// Bad at:   idle memory (it counts like any other).
// Bounds:   a domain's target is never below its reservation nor above its limit. A domain whose
//           reservation does not fit, or is above its limit, is not admitted. After a swap limits hold
//           all the same, and reservations if all of them fit. From a domain over its target for the
//           patience the whole excess is wanted by force from the host's next look on: one period later at
//           most.
#include "memctl/shares.hpp"

namespace {

using namespace bulkhead;
namespace shares = memctl::shares;
using memctl::Frames;

class MinMax : public memctl::Policy {
  public:
    static constexpr plugin::Parameter parameters[] = {
        {"patience", "ms", "time that a domain may be over its target before force is used", 500, 0, 60'000},
    };
    static constexpr plugin::Parameter domain_parameters[] = {
        {"min", "MiB", "frames that are reserved for it; 0: its minimum to live", 0, 0, 1 << 20},
        {"max", "MiB", "most frames that it may have; 0: its size", 0, 0, 1 << 20},
    };
    static constexpr memctl::Text text{
        .name = "min_max",
        .summary = "a reservation and a limit for each domain, the rest by weight",
        .good_at = "guarantees and limits that hold",
        .bad_at = "idle memory",
        .source =
            "Waldspurger, Memory resource management in VMware ESX Server, OSDI 2002, sections 5.1, 6.1",
    };

    explicit MinMax(const memctl::Setup<MinMax>& setup)
        : zones_{setup.zones}, frames_{setup.frames}, unreserved_{setup.frames},
          patience_{milliseconds(setup.values[0])} {}

    bool admit(const Domain& domain) {
        const bool contradicts = domain.values[1] != 0 && domain.values[0] > domain.values[1];
        return !contradicts && bounds(domain).least <= unreserved_;
    }

    void rebalance(memctl::Plan<Domain> plan, RealTime) {
        unreserved_ = shares::unreserved(plan, frames_, bounds);
        if (unreserved_ >= Frames{})
            shares::fill(plan, frames_, shares::by_weight<Domain>, bounds);
        else // domains that another policy admitted: what was promised to them together is not there
            shares::fill(plan, frames_, shares::by_weight<Domain>, [](const Domain& domain) {
                return shares::Bounds{domain.least, bounds(domain).most};
            });
    }

    memctl::Grant choose(Domain&, Frames wanted) { return shares::from_emptiest(zones_, wanted); }
    Frames reclaim(const Domain&, Frames over, Nanos late) { return late >= patience_ ? over : Frames{}; }

  private:
    static constexpr std::int64_t mib_frames = 256;
    static shares::Bounds bounds(const Domain& domain) {
        const Frames limit{domain.values[1] != 0 ? domain.values[1] * mib_frames : domain.most.count()};
        const Frames most = std::clamp(limit, domain.least, domain.most);
        return {std::clamp(Frames{domain.values[0] * mib_frames}, domain.least, most), most};
    }

    std::span<const memctl::Zone> zones_;
    Frames frames_;
    Frames unreserved_;
    Nanos patience_;
};

} // namespace

BULKHEAD_MEMORY_POLICY(MinMax)
