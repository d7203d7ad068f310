// Durations readable in failed expectations.
#pragma once

#include "abi/types.hpp"

#include <ostream>

namespace bulkhead {
inline void PrintTo(const Nanos& duration, std::ostream* out) { *out << duration.count() << " ns"; }
} // namespace bulkhead
