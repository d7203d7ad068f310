// Reading fields of an untrusted file. Every access is checked against the file's end and copied out once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>

namespace bulkhead::image {

using Bytes = std::span<const std::byte>;

// The part [offset, offset + size), or nothing if it leaves the file.
constexpr std::optional<Bytes> part(Bytes file, std::uint64_t offset, std::uint64_t size) {
    if (offset > file.size() || size > file.size() - offset)
        return std::nullopt;
    return file.subspan(offset, size);
}

// A structure of plain integers at any alignment.
template<class T>
std::optional<T> read(Bytes file, std::uint64_t offset) {
    static_assert(std::is_trivially_copyable_v<T>);
    const auto where = part(file, offset, sizeof(T));
    if (!where)
        return std::nullopt;
    T value;
    std::memcpy(&value, where->data(), sizeof value);
    return value;
}

inline std::string_view text(Bytes bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// The characters before the first zero byte, or all if there is none.
inline std::string_view text_before_zero(Bytes bytes) {
    const auto all = text(bytes);
    return all.substr(0, all.find('\0'));
}

} // namespace bulkhead::image
