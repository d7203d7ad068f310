// The control call that creates a domain. Its building, and taking it apart again should it fail, are
// preemptible.
#pragma once

#include "hv/calls/hypercall.hpp"
#include "hv/domain/domain.hpp"

namespace bulkhead::hv {

inline constexpr std::uint32_t heaviest_domain = 65535;

// A domain other than the caller, by a hostile number.
[[nodiscard]] Result<Domain*> other_domain(Domain& caller, std::uint64_t id);
// `argument`: address of a control::CreateDomain. `begun`: the third register, 0 in the first call. The
// control lock is held.
[[nodiscard]] HypercallResult create_by_call(HypercallContext& context, std::uint64_t argument,
                                             std::uint64_t begun);

} // namespace bulkhead::hv
