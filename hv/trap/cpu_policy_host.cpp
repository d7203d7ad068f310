// The processor's own CPUID, unfiltered. CPUID is not privileged, so this file is the same everywhere.
#include "hv/trap/cpu_policy.hpp"

#include <cpuid.h>

namespace bulkhead::hv {

CpuidLeaf host_cpuid(std::uint32_t leaf, std::uint32_t subleaf) {
    CpuidLeaf out{};
    __cpuid_count(leaf, subleaf, out.a, out.b, out.c, out.d);
    return out;
}

} // namespace bulkhead::hv
