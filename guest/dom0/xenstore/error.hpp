// What xenstore answers instead of doing as asked. The names go over the wire as text.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <string_view>

namespace bulkhead::xenstore {

enum class Error : std::uint8_t {
    invalid,
    access,
    exists,
    missing,
    no_space,
    too_big,
    busy,
    again,
    no_such_call
};

inline constexpr std::array<std::string_view, 9> error_names{"EINVAL", "EACCES", "EEXIST", "ENOENT", "ENOSPC",
                                                             "E2BIG",  "EBUSY",  "EAGAIN", "ENOSYS"};
constexpr std::string_view name(Error error) { return error_names[static_cast<std::size_t>(error)]; }

template<class T = void>
using Result = std::expected<T, Error>;
constexpr std::unexpected<Error> fail(Error error) { return std::unexpected{error}; }

} // namespace bulkhead::xenstore
