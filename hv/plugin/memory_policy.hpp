// The memory policy as the rest of the hypervisor sees it: which domains it lets in, and how many frames more
// a domain may have. Behind it stands host/memory_host.hpp. Limits and promises (hv/mm) hold whatever it
// says. A lock of its own serves one hook at a time; docs/decisions/0007-locks.md says which may be held
// before. Domain 0 is not subject to it.
#pragma once

#include "hv/base/error.hpp"
#include "hv/domain/domain.hpp"
#include "hv/plugin/loader.hpp"

namespace bulkhead::hv::memory_policy {

struct Setup {
    std::uint64_t frames;  // that domains other than domain 0 may have together
    std::uint32_t zones;   // that they are cut into; 1: one, which all memory is
    ZoneKind zone_kind;    // if there are more
    Nanos period;          // between two rebalances
    std::uint32_t samples; // pages of each domain whose use is looked at in a period
    std::uint64_t seed;    // of the run
    bool by_force;         // a guest that keeps what the policy wants by force gets less time
};

// Makes `plugin` the policy (before there are domains) with these parameter values. The fallback gets its
// memory here and never allocates later. Without a start no policy decides: every domain is let in, and all
// is granted.
void start(const LoadedPlugin& plugin, const std::int64_t* values, const Setup& setup);
// Another one takes over all domains with their frames and targets. If it fails already here the fallback is
// in charge afterwards. If memory is short the former policy stays; no_entry if there was none.
[[nodiscard]] Result<> replace(const LoadedPlugin& plugin, const std::int64_t* values);

// A new domain, whose initial frames are promised to it: they count as its own from here on. Fails with
// no_memory if the policy refuses it. `values` are plugin::max_domain_parameters of them; nullptr for the
// policy's defaults.
[[nodiscard]] Result<> admit(Domain& domain, const std::int64_t* values);
// All its frames are back.
void depart(Domain& domain);
// How many of so many frames more the domain may take now; `taken` are those that it has taken of earlier
// grants. A call ends with settle: `granted` of its grants were taken, or are given up.
[[nodiscard]] std::uint64_t grant(Domain& domain, std::uint64_t taken, std::uint64_t frames);
void settle(Domain& domain, std::uint64_t granted);
// Its guest says that it waits so many ns for a page that it had paged out. A guest's word, see
// memctl/contract.hpp. Takes no lock.
void claim_stall(Domain& domain, std::uint64_t wait);
// Its weight has changed.
void tune(Domain& domain);
// no_device: no policy decides, or not over this domain.
[[nodiscard]] Result<host::Change> change(Domain& domain, const plugin::ValueChanges& changes);
// Once in a period the policy hears which pages were used, and sets targets anew. Called by housekeeping,
// with the control lock held. True if there is more to do soon.
[[nodiscard]] bool rebalance_if_due(RealTime now);
// Holds guests that keep frames which are wanted by force, and lets them go, turn by turn (host/press.hpp).
// Called likewise.
void press_if_due(RealTime now);

} // namespace bulkhead::hv::memory_policy
