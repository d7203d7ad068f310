// The machine's zones are taken for colours: sets of frames that fall into disjoint parts of the
// last-level cache. A domain gets its own colours when it is built, and frames of these only. So no two
// domains share a part of the cache, and a domain's part of memory is as large as its part of the cache.
//
// Paper:    J. Lin et al., "Gaining insights into multicore cache partitioning: bridging the gap between
//           simulation and real systems", HPCA 2008 (static partitions by page colours). The price, that
//           memory is partitioned along, is from X. Zhang, S. Dwarkadas, K. Shen, "Towards practical
//           page coloring-based multicore cache management", EuroSys 2009.
// Good at:  isolation of the cache from neighbours, and of memory.
// Bad at:   using memory and cache: the unused part of a domain stays unused. No more domains than
//           parts.
// Bounds:   two domains that it admitted never get frames of one colour. A domain that another policy
//           admitted, and for which no colour is left, gets its minimum in frames of any colour. Frames
//           given before it took over stay where they are.
#include "memctl/shares.hpp"

namespace {

using namespace bulkhead;
namespace shares = memctl::shares;
using memctl::Frames;

class Coloring : public memctl::Policy {
  public:
    struct Domain : memctl::Domain {
        std::uint64_t colours; // its own, bit n for colour n; 0: none was left
    };

    static constexpr bool work_conserving = false;
    static constexpr bool changes_values = false; // its frames would have to move
    static constexpr plugin::Parameter parameters[] = {
        {"parts", "1", "equal parts of the colours; a domain without a number of its own gets one part", 4, 1,
         64},
    };
    static constexpr plugin::Parameter domain_parameters[] = {
        {"colours", "1", "number of its colours; 0: one part", 0, 0, 64},
    };
    static constexpr memctl::Text text{
        .name = "coloring",
        .summary = "to each domain its own colours of the last-level cache, and memory of these only",
        .good_at = "isolation of the cache and of memory",
        .bad_at = "memory that another domain leaves unused; no more domains than parts",
        .source = "Lin et al., Gaining insights into multicore cache partitioning, HPCA 2008",
    };

    explicit Coloring(const memctl::Setup<Coloring>& setup)
        : zones_{setup.zones}, frames_{setup.frames}, parts_{setup.values[0]},
          free_{~std::uint64_t{0} >> (most_colours - count())} {}

    // As many free colours as it is to have, the lowest ones; it must be able to live in them.
    bool admit(Domain& domain) {
        std::int64_t wanted = domain.values[0] != 0 ? domain.values[0] : std::max(count() / parts_, one);
        std::uint64_t mine = 0;
        for (std::uint64_t left = free_; wanted > 0 && left != 0; --wanted, left &= left - 1)
            mine |= left & -left;
        if (wanted > 0 || room(mine) < domain.least)
            return false;
        domain.colours = mine;
        free_ &= ~mine;
        return true;
    }
    void depart(const Domain& domain) { free_ |= domain.colours; }

    void rebalance(memctl::Plan<Domain> plan, RealTime) {
        shares::fill(plan, frames_, shares::by_weight<Domain>, [this](const Domain& domain) {
            const Frames room_for_it = domain.colours == 0 ? domain.least : room(domain.colours);
            return shares::Bounds{domain.least, std::clamp(room_for_it, domain.least, domain.most)};
        });
    }

    memctl::Grant choose(const Domain& domain, Frames wanted) {
        const memctl::Zone* best = nullptr;
        for (const memctl::Zone& zone : zones_)
            if (zone.free > Frames{} && may_use(domain, zone) && (best == nullptr || zone.free > best->free))
                best = &zone;
        return best == nullptr ? memctl::Grant::none()
                               : memctl::Grant{best->id, std::min(best->free, wanted)};
    }

  private:
    static constexpr std::int64_t one = 1, most_colours = 64;
    // A machine with more zones than there are bits has several zones of each colour.
    [[nodiscard]] std::int64_t count() const {
        return std::min(static_cast<std::int64_t>(zones_.size()), most_colours);
    }
    static std::uint64_t colour(const memctl::Zone& zone) {
        return std::uint64_t{1} << zone.id.value() % most_colours;
    }
    static bool may_use(const Domain& domain, const memctl::Zone& zone) {
        return domain.colours == 0 || (domain.colours & colour(zone)) != 0;
    }
    [[nodiscard]] Frames room(std::uint64_t colours) const {
        Frames sum{};
        for (const memctl::Zone& zone : zones_)
            sum += (colours & colour(zone)) != 0 ? zone.frames : Frames{};
        return sum;
    }

    std::span<const memctl::Zone> zones_;
    Frames frames_;
    std::int64_t parts_;
    std::uint64_t free_; // colours without an owner
};

} // namespace

BULKHEAD_MEMORY_POLICY(Coloring)
