#include "host/fallbacks.hpp"
#include "memctl/contract.hpp"

#include <algorithm>

namespace bulkhead::host {

namespace {

using memctl::Frames;

class Fallback : public memctl::Policy {
  public:
    static constexpr memctl::Text text{.name = "fallback",
                                       .summary = "every target stays as it is",
                                       .good_at = "keeping guests running",
                                       .bad_at = "everything else",
                                       .source = "host/fallback_memory.cpp"};

    explicit Fallback(const memctl::Setup<Fallback>& setup)
        : zones_{setup.zones}, frames_{setup.frames}, left_{setup.frames} {}

    bool admit(Domain& domain) { return domain.least <= left_; }
    void rebalance(memctl::Plan<Domain> plan, RealTime) {
        left_ = frames_;
        for (std::size_t i = 0; i < plan.size(); ++i)
            left_ -= plan.target(i);
        for (std::size_t i = 0; i < plan.size(); ++i)
            if (plan.target(i) == Frames{}) { // it has just come
                plan.target(i) = std::clamp(left_, plan.domain(i).least, plan.domain(i).most);
                left_ -= plan.target(i);
            }
        for (std::size_t i = 0; i < plan.size() && left_ < Frames{}; ++i) { // more was promised before
            const Frames taken = std::min(plan.target(i) - plan.domain(i).least, Frames{} - left_);
            plan.target(i) -= taken;
            left_ += taken;
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
    Frames frames_, left_;
};

} // namespace

const plugin::Descriptor& fallback_memory_policy() { return memctl::Registration<Fallback>::descriptor; }

} // namespace bulkhead::host
