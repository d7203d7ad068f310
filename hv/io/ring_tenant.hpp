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
        const auto shared = std::ranges::find_if(places_, [&](const RingTenant& each) {
            return group != 0 && each.group == group && each.rings != 0;
        });
        if (shared != places_.end())
            return &*shared;
        const auto place = std::ranges::find(places_, 0U, &RingTenant::rings);
        if (place == places_.end())
            return nullptr;
        place->id = domain.id;
        place->group = group;
        place->io.slot = static_cast<std::uint32_t>(place - places_.begin());
        place->io.weight = domain.sched.weight;
        place->io.has_values = values != nullptr;
        if (values != nullptr)
            std::copy_n(values, plugin::max_domain_parameters, place->io.values);
        return &*place;
    }

  private:
    std::array<RingTenant, most> places_{};
};

} // namespace bulkhead::hv
