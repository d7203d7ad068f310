// Where Domain structures live: each slot has its own range of hypervisor addresses, so that single frames
// suffice.
#pragma once

#include "abi/types.hpp"
#include "hv/base/error.hpp"

namespace bulkhead::hv {

struct Domain;

// An empty Domain at the place of `slot`, which is free. Its console is made with it; everything else is the
// caller's to fill, the id and the slot included.
[[nodiscard]] Result<Domain*> make_domain(std::uint32_t slot);
void free_domain(Domain& domain);

} // namespace bulkhead::hv
