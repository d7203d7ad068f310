// The start of copies to and from guests; hv/base/machine.hpp declares the copies.
#pragma once

namespace bulkhead::hv {

// Once, at boot: copies take the short way from now on, if the processor has SMAP.
void start_copies();

} // namespace bulkhead::hv
