// The machine is cut into equal parts when it starts, and each domain gets one. The unused rest of a
// part goes to no other domain. In a machine with as many zones as parts, or more, a part has zones of its
// own.
//
// Source:   partitioning as in ARINC 653, part 1, "Avionics application software standard interface",
//           section 2.3.1.
// Good at:  isolation: a domain's memory does not depend on other domains; no decisions.
// Bad at:   using memory: a part is too small for one domain and idle with another; no more domains than
//           parts.
// Bounds:   a domain has a part of frames / parts from its start to its end, or its own size if that is
//           less.
#include "memctl/shares.hpp"

#include <array>

namespace {

using namespace bulkhead;
namespace shares = memctl::shares;
using memctl::Frames;

class StaticPartition : public memctl::Policy {
  public:
    struct Domain : memctl::Domain {
        std::size_t part; // its own; from parts_ on: none was left
    };

    static constexpr plugin::Parameter parameters[] = {
        {"parts", "1", "equal parts that the machine is cut into", 4, 1, 1'024},
    };
    static constexpr memctl::Text text{
        .name = "static_partition",
        .summary = "equal parts, cut once; each domain gets one",
        .good_at = "isolation: a domain's memory does not depend on others",
        .bad_at = "using memory; no more domains than parts",
        .source = "ARINC 653 part 1, section 2.3.1 (partitioning)",
    };

    explicit StaticPartition(const memctl::Setup<StaticPartition>& setup)
        : zones_{setup.zones}, frames_{setup.frames}, parts_{static_cast<std::size_t>(setup.values[0])} {}

    // The lowest part that no other domain has.
    bool admit(Domain& domain) {
        domain.part = 0;
        while (domain.part < parts_ && taken_[domain.part])
            ++domain.part;
        if (domain.part < parts_)
            taken_[domain.part] = true;
        return used_ < parts_ && domain.least <= part(parts_);
    }
    void depart(const Domain& domain) {
        if (domain.part < parts_)
            taken_[domain.part] = false;
    }

    // After a swap there may be more domains than parts, or larger ones: then they share as well as they can.
    void rebalance(memctl::Plan<Domain> plan, RealTime) {
        used_ = plan.size();
        const Frames size = part(std::max(parts_, used_));
        shares::fill(
            plan, frames_, [](const Domain&, std::int64_t level) { return Frames{level}; },
            [size](const Domain& domain) {
                return shares::Bounds{domain.least, std::max(domain.least, std::min(domain.most, size))};
            });
    }

    // From a zone of its part, if the machine has as many zones as parts.
    memctl::Grant choose(const Domain& domain, Frames wanted) {
        const memctl::Zone* best = nullptr;
        for (const memctl::Zone& zone : zones_)
            if (zones_.size() >= parts_ && zone.id.value() * parts_ / zones_.size() == domain.part &&
                zone.free > Frames{} && (best == nullptr || zone.free > best->free))
                best = &zone;
        return best == nullptr ? shares::from_emptiest(zones_, wanted)
                               : memctl::Grant{best->id, std::min(best->free, wanted)};
    }

  private:
    [[nodiscard]] Frames part(std::size_t parts) const {
        return Frames{frames_.count() / static_cast<std::int64_t>(parts)};
    }

    std::span<const memctl::Zone> zones_;
    Frames frames_;
    std::size_t parts_;
    std::size_t used_ = 0;
    std::array<bool, 1'024> taken_{}; // parts
};

} // namespace

BULKHEAD_MEMORY_POLICY(StaticPartition)
