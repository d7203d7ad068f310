// Where Domain structures live: each id has its own range of hypervisor addresses, so that single frames
// suffice.
#pragma once

#include "abi/types.hpp"
#include "hv/base/error.hpp"

namespace bulkhead::hv {

// Zeroed memory for the Domain of `id`, which is free.
[[nodiscard]] Result<void*> take_domain_memory(DomainId id);
void return_domain_memory(DomainId id);

} // namespace bulkhead::hv
