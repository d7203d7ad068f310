// Where Domain structures live: each id has its own range of hypervisor addresses, so that single frames
// suffice.
#pragma once

#include "abi/types.hpp"
#include "hv/base/error.hpp"

namespace bulkhead::hv {

struct Domain;

// An empty Domain at the place of `id`, which is free. Its console is made with it; everything else is the
// caller's to fill, the id included.
[[nodiscard]] Result<Domain*> make_domain(DomainId id);
void free_domain(Domain& domain);

} // namespace bulkhead::hv
