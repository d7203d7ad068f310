// Paths as numbers, for indexes: the number of a path follows from that of the path above it and one name.
// Two paths may have the same number, so whoever finds one compares the names too.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace bulkhead::xenstore {

using PathHash = std::uint64_t;

constexpr PathHash mix(PathHash hash, std::uint64_t word) {
    hash = (hash ^ word) * 0x9e3779b97f4a7c15;
    return hash ^ hash >> 29;
}

// Of the path that has one more name than the path of `above`.
inline PathHash below(PathHash above, std::string_view name) {
    auto hash = mix(above, name.size());
    while (!name.empty()) {
        std::uint64_t word = 0;
        const auto part = std::min(name.size(), sizeof word);
        std::memcpy(&word, name.data(), part);
        hash = mix(hash, word);
        name.remove_prefix(part);
    }
    return hash;
}

} // namespace bulkhead::xenstore
