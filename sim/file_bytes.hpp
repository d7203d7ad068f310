// The contents of a file that the user names.
#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <vector>

namespace bulkhead::sim {

inline constexpr const char* unreadable = "the file cannot be read; check its path and permissions";

// Nothing if it cannot be read, as a folder cannot.
[[nodiscard]] inline std::optional<std::vector<char>> bytes_of(const std::filesystem::path& path) {
    std::ifstream in{path, std::ios::binary};
    std::vector<char> bytes{std::istreambuf_iterator<char>{in}, {}};
    if (!in.is_open() || in.bad() || std::filesystem::is_directory(path))
        return std::nullopt;
    return bytes;
}

} // namespace bulkhead::sim
