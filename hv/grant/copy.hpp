// GNTTABOP_copy: bytes between two frames, each named by a grant or by its own number, without mapping
// either.
#pragma once

#include "hv/grant/active.hpp"

namespace bulkhead::hv {

// One operation of a batch; moves at most a page. With restart, nothing has changed.
[[nodiscard]] GrantStatus copy_grant(Domain& caller, const gnttab_copy_t& operation);

} // namespace bulkhead::hv
