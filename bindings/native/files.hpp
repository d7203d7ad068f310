// A whole file in memory, for the readers that follow untrusted structures.
#pragma once

#include <cstddef>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace bulkhead::python {

// Throws std::runtime_error, which Python sees as RuntimeError, if the file cannot be read.
inline std::vector<std::byte> read_file(const std::string& path) {
    std::ifstream file{path, std::ios::binary | std::ios::ate};
    const auto size = file ? static_cast<std::streamoff>(file.tellg()) : -1;
    std::vector<std::byte> contents(size < 0 ? 0 : static_cast<std::size_t>(size));
    file.seekg(0);
    file.read(reinterpret_cast<char*>(contents.data()), size < 0 ? 0 : size);
    if (!file)
        throw std::runtime_error{path + " cannot be read"};
    return contents;
}

} // namespace bulkhead::python
