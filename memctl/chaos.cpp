// First come, first served, until a given time; from then on it breaks the contract in the way that
// `mode` selects. It shows that a host survives, names the fault, and loses no frame.
//
// Source:   the contract itself: each mode breaks one of its clauses.
// Good at:  testing the host.
// Bad at:   everything else.
// Bounds:   none.
#include "memctl/contract.hpp"

#include <algorithm>

namespace {

using namespace bulkhead;
using memctl::Frames;

enum class Mode : std::int64_t {
    none,
    stray_zone, // wrong answers of choose
    too_many,
    less_than_none,
    below_least, // of rebalance
    above_most,
    above_machine,
    admit_all,    // of admit
    reclaim_more, // of reclaim
    nothing,      // of choose
    fault,        // in choose
    endless_loop, // in rebalance
    endless_calls,
};

class Chaos : public memctl::Policy {
  public:
    static constexpr bool well_behaved = false;
    static constexpr plugin::Parameter parameters[] = {
        {"mode", "1",
         "0 none; choose answers: 1 a zone that does not exist, 2 too many frames, 3 less than none; "
         "rebalance: 4 "
         "targets below the least, 5 above the most, 6 together above the machine; 7 it admits all, 8 "
         "it reclaims more than there is to reclaim; 9 choose answers none, 10 reads "
         "address 0; rebalance: 11 loops without end, 12 asks for the time without end",
         0, 0, 12},
        {"after", "us", "time until it misbehaves", 20'000, 0, 100'000'000},
    };
    static constexpr memctl::Text text{
        .name = "chaos",
        .summary = "first come, first served, but breaks the contract in a chosen way, to test the host",
        .good_at = "testing the host",
        .bad_at = "everything else",
        .source = "memctl/contract.hpp, clause by clause",
    };

    explicit Chaos(const memctl::Setup<Chaos>& setup)
        : services_{setup.services}, zones_{setup.zones}, frames_{setup.frames}, left_{setup.frames},
          mode_{setup.values[0]}, after_{RealTime{} + microseconds(setup.values[1])} {}

    bool admit(const Domain& domain) { return bad(Mode::admit_all) || domain.least <= left_; }

    void rebalance(memctl::Plan<Domain> plan, RealTime) {
        while (bad(Mode::endless_calls)) {
        }
        if (bad(Mode::endless_loop))
            for (;;)
                asm volatile("pause");
        left_ = frames_;
        for (std::size_t i = 0; i < plan.size(); ++i)
            left_ -= plan.target(i);
        for (std::size_t i = 0; i < plan.size(); ++i)
            if (plan.target(i) == Frames{}) {
                plan.target(i) = std::min(plan.domain(i).most, left_);
                left_ -= plan.target(i);
            }
        for (std::size_t i = 0; i < plan.size(); ++i)
            spoil(plan, i);
    }

    memctl::Grant choose(Domain&, Frames wanted) {
        if (bad(Mode::stray_zone))
            return {memctl::ZoneId{0x7777}, Frames{1}};
        if (bad(Mode::nothing))
            return memctl::Grant::none();
        if (bad(Mode::fault))
            asm volatile("movl (%0), %%eax" : : "r"(std::uintptr_t{0}) : "eax", "memory");
        for (const memctl::Zone& zone : zones_)
            if (zone.free > Frames{})
                return {zone.id, bad(Mode::too_many)         ? wanted + Frames{1}
                                 : bad(Mode::less_than_none) ? Frames{-1}
                                                             : std::min(zone.free, wanted)};
        return memctl::Grant::none();
    }

    Frames reclaim(const Domain&, Frames over, Nanos) {
        return bad(Mode::reclaim_more) ? over + Frames{1} : Frames{};
    }

  private:
    [[nodiscard]] bool bad(Mode mode) const { return mode_ == mode && services_.now() >= after_; }
    void spoil(memctl::Plan<Domain>& plan, std::size_t i) const {
        const Domain& domain = plan.domain(i);
        if (bad(Mode::below_least))
            plan.target(i) = domain.least - Frames{1};
        if (bad(Mode::above_most))
            plan.target(i) = domain.most + Frames{1};
        if (bad(Mode::above_machine))
            plan.target(i) = domain.most;
        if (bad(Mode::reclaim_more)) // so that a domain is over its target
            plan.target(i) = domain.least;
    }

    memctl::Services services_;
    std::span<const memctl::Zone> zones_;
    Frames frames_;
    Frames left_;
    Mode mode_;
    RealTime after_;
};

} // namespace

BULKHEAD_MEMORY_POLICY(Chaos)
