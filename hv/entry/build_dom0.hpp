// Builds domain 0, the one domain that another domain cannot build.
#pragma once

#include "abi/manifest.hpp"

#include <cstddef>
#include <span>

namespace bulkhead::hv {

// Creates domain 0 from the manifest's kernel, with a copy of the whole manifest as its module, and lets it
// run. Ends the run with a clear line if that is impossible.
void build_dom0(std::span<const std::byte> manifest, const manifest::Header& header);

} // namespace bulkhead::hv
