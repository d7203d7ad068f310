// How the parameters of a domain change while it runs: those that the policy of a kind has for each domain.
#pragma once

#include "hv/calls/hypercall.hpp"
#include "hv/domain/domain.hpp"

#include <cstdint>

namespace bulkhead::hv {

// `changes` is the address of plugin::ValueChanges in the caller; see control::Call::set_parameters.
[[nodiscard]] Result<> set_parameters(Domain& domain, std::uint64_t changes);

} // namespace bulkhead::hv
