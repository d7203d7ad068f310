// Event channels of 32-bit guests: 1024 ports, words of 32 bits (abi/pae.hpp). Pending bits lie where a
// 64-bit guest has them, so the code that sets one need not know; masks and selectors do not.
#pragma once

#include "abi/types.hpp"
#include "hv/base/error.hpp"

#include <cstdint>

namespace bulkhead::hv {

struct Domain;
struct Vcpu;

// A port has become pending. True if its vCPU's upcall is to be raised: the port is not masked, and its
// selector was not set. The common way looks for the mask in a place that no 32-bit kernel uses; here the
// right one is asked.
[[nodiscard]] bool select_pae_port(Domain& domain, Vcpu& vcpu, Port port);

// `vcpu` as in EventPort.
[[nodiscard]] Result<> unmask_pae_port(Domain& domain, Port port, std::uint16_t vcpu);

} // namespace bulkhead::hv
