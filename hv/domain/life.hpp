// Birth and death of domains.
#pragma once

#include "hv/domain/domain.hpp"

namespace bulkhead::hv {

struct DomainSpec {
    char name[manifest::name_bytes];
    bool privileged;
    std::uint64_t frames;     // its initial memory, set aside for it
    std::uint64_t max_frames; // a ceiling
    std::uint32_t vcpus;
    std::uint32_t weight; // 0: the default
    std::uint32_t cap;
    std::uint32_t share = 0; // host::DomainState::share
    TimeRule time;
    bool pae = false; // a 32-bit guest
    // plugin::max_domain_parameters of them; none: the policy's defaults.
    const std::int64_t* sched_values = nullptr;
    const std::int64_t* memory_values = nullptr; // as many, of the memory policy
};

// A new domain in three steps, paused. Where the second or the third fails, the caller destroys the domain:
// that may take as long as for one that has run. The first: its place in the table.
[[nodiscard]] Result<Domain*> create_domain(const DomainSpec& spec);
// What it needs besides vCPUs; it has no memory of its own yet. Its initial memory and its metadata are
// promised to it (abi/promise.hpp), or it fails with no_memory.
[[nodiscard]] Result<> furnish_domain(Domain& domain, const DomainSpec& spec);
// Its vCPUs, which then wait for a context. Answers restart until all exist.
[[nodiscard]] Result<> create_vcpus(Domain& domain);
// Takes everything from it. Answers restart until done, busy while other domains still hold frames of it,
// which are then all that is left.
[[nodiscard]] Result<> destroy_domain(Domain& domain);

} // namespace bulkhead::hv
