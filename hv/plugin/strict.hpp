// The strict guard: hooks run in an address space in which nothing but the policy's own regions and a stack
// for hooks can be written. A stray write is a page fault at the instruction that does it, and ejects the
// policy. Its hooks take longer, and nothing else changes. Off unless the manifest asks for it.
#pragma once

#include "abi/plugin.hpp"
#include "abi/types.hpp"

namespace bulkhead::hv::strict {

// On the first pCPU, before any policy is called: makes what all pCPUs need. Panics if memory is short.
void start(std::uint32_t pcpus);
[[nodiscard]] bool is_on();
// On each pCPU that calls hooks, after start() and load_descriptors().
void start_here();

// For the length of a service that a hook has called: the hypervisor may write its own memory.
class Outside {
  public:
    Outside();
    ~Outside();
    Outside(const Outside&) = delete;
    Outside& operator=(const Outside&) = delete;

  private:
    std::uint64_t inner_root_;
};

} // namespace bulkhead::hv::strict
