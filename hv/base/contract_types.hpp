// Types of the policies' contracts, as far as the mechanism knows them: opaque. A change of a contract
// rebuilds only the sources that call policies, not the hypervisor.
#pragma once

#include <cstdint>

namespace bulkhead::sched {

struct Vcpu;
struct Domain;
struct Pcpu;
enum class Stop : std::uint32_t;

} // namespace bulkhead::sched
