// Checking everything that the hypervisor counts: frames and grants.
#pragma once

#include "hv/base/error.hpp"

#include <cstdint>

namespace bulkhead::hv {

struct Domain;

// While the run goes on, for `caller`, the control plane. Answers restart until done; all other domains stand
// still from the first step to the last, so that there is one state to check. Returns the number of
// violations and notes them in the landmark.
[[nodiscard]] Result<std::uint64_t> audit_everything(Domain& caller);
// Between its first step and its last. Modelled devices rest then: they hold references while bytes move.
[[nodiscard]] bool is_audit_under_way();
// The same in one go, when no guest runs any more.
std::uint64_t audit_at_the_end();

} // namespace bulkhead::hv
