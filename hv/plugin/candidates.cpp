#include "hv/plugin/candidates.hpp"

#include "hv/base/machine.hpp"

#include <array>

namespace bulkhead::hv {

namespace {
constinit std::array<Candidate, max_candidates> candidates{};
}

void add_candidate(std::uint32_t index, const Candidate& candidate) {
    if (index >= max_candidates)
        machine::panic("the manifest has too many policies: at most 64");
    candidates[index] = candidate;
}

const Candidate* find_candidate(std::uint64_t index) {
    return index < max_candidates && candidates[index].plugin.descriptor != nullptr ? &candidates[index]
                                                                                    : nullptr;
}

} // namespace bulkhead::hv
