// The memory policy's host's state of a world's domains. The world's own type has it as a member named
// `memory`; the host writes it, under its lock, and the world reads it.
#pragma once

#include "host/changed_values.hpp"
#include "memctl/contract.hpp"

#include <algorithm>
#include <boost/intrusive/list.hpp>

namespace bulkhead::host {

// A domain cannot live with less than a sixteenth of its size.
[[nodiscard]] constexpr memctl::Frames least_of(memctl::Frames size) {
    return memctl::Frames{std::max(size.count() / 16, std::int64_t{1})};
}

struct MemoryState {
    // Written by the world before the domain is admitted. Of these only the weight changes later, and what
    // was changed.
    std::uint32_t slot = 0; // its number in the world, and in the policy's pool
    std::uint32_t weight = memctl::default_weight;
    memctl::Frames least, most;
    bool has_values = false; // of its parameters, else the policy's defaults
    std::int64_t values[plugin::max_domain_parameters] = {};
    ChangedValues changed;

    // What its vCPUs have run, and waited for a pCPU; the world keeps both up to date for rebalance.
    Nanos ran, waited;

    // Written by the host.
    memctl::Domain* policy = nullptr; // the active policy's part; nullptr while not admitted
    memctl::Frames target, has;
    std::uint64_t missed = 0;                   // since the last rebalance
    memctl::Pressure memory_pressure{};         // likewise, as claimed
    RealTime over_since = RealTime::never();    // since when it has more than its target
    RealTime gave_at{};                         // when it last gave a frame back that it was asked for
    bool gave = false;                          // ever
    boost::intrusive::list_member_hook<> order; // in the list of admitted domains
    DomainId id;
};

} // namespace bulkhead::host
