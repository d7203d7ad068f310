// A domain, or a group of domains, as the hosts of ring policies know it, and where those of one device
// stand.
#pragma once

#include "host/ring_state.hpp"
#include "hv/domain/domain.hpp"

#include <algorithm>
#include <array>

namespace bulkhead::hv {

// It stays in its place when the domain goes, for the next one. A group has the id, the weight and the values
// of the member that came first.
struct RingTenant {
    DomainId id{};
    std::uint16_t group = 0;
    std::uint32_t rings = 0; // of all domains that have the place; 0: free
    host::RingDomainState io{};
};

class RingTenants {
  public:
    static constexpr std::uint32_t most = 512;

    // The place of the domain's group, or a free one, made ready for a domain that has none; nullptr if there
    // is none. `values` are the ring policy's domain parameters, nullptr for its defaults.
    [[nodiscard]] RingTenant* place_for(const Domain& domain, std::uint16_t group,
                                        const std::int64_t* values) {
        RingTenant* const end = places_.data() + end_;
        RingTenant* place = end;
        for (RingTenant* each = places_.data(); each != end; ++each) {
            if (each->rings == 0)
                place = std::min(place, each);
            else if (group != 0 && each->group == group)
                return each;
        }
        if (place == places_.data() + most)
            return nullptr;
        if (place == end)
            ++end_;
        place->id = domain.id;
        place->group = group;
        place->io.slot = static_cast<std::uint32_t>(place - places_.data());
        place->io.weight = domain.sched.weight;
        place->io.changed = domain.ring_changes;
        place->io.has_values = values != nullptr;
        if (values != nullptr)
            std::copy_n(values, plugin::max_domain_parameters, place->io.values);
        return place;
    }

  private:
    std::array<RingTenant, most> places_{};
    std::uint32_t end_ = 0; // no place from there on was ever taken
};

} // namespace bulkhead::hv
