// The plug-ins that the manifest brought along: loaded at start, so that taking one into service
// later needs no memory and cannot be refused for its file.
#pragma once

#include "hv/plugin/loader.hpp"

namespace bulkhead::hv {

struct Candidate {
    LoadedPlugin plugin;
    const std::int64_t* values; // of its parameters, all of them
};

inline constexpr std::uint32_t max_candidates = 64;

// `index` is the one in the manifest's table of policies, which never moves.
void add_candidate(std::uint32_t index, const Candidate& candidate);
[[nodiscard]] const Candidate* find_candidate(std::uint64_t index); // nullptr if none is there

} // namespace bulkhead::hv
