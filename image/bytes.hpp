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

// The part before the first `separator`, or all if there is none. A loop, because memchr is not everywhere
// this runs.
constexpr std::string_view before(std::string_view all, char separator) {
    std::size_t length = 0;
    while (length < all.size() && all[length] != separator)
        ++length;
    return all.substr(0, length);
}

inline std::string_view text_before_zero(Bytes bytes) { return before(text(bytes), '\0'); }

} // namespace bulkhead::image
