// What the host of memory policies (hv/plugin/memory_policy.hpp) keeps of a domain. Changed under its lock.
#pragma once

#include "abi/types.hpp"
#include "host/memory_state.hpp"
#include "host/press.hpp"
#include "hv/mm/sampling.hpp"

namespace bulkhead::hv {

struct Allotment {
    DomainId id;
    host::MemoryState memory; // `has` are the frames that it owns, those promised to it, and those below
    std::uint64_t granted;    // frames that calls under way may still take
    PageSample sample;        // changed under the control lock instead
    host::Press press;        // likewise
    bool held;                // by it: counted once among the reasons not to run; likewise

    [[nodiscard]] bool is_admitted() const { return memory.policy != nullptr; }
};

} // namespace bulkhead::hv
