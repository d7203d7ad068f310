// Errors of a hypercall. Values are the public ABI's error numbers, negated on the way to the guest.
#pragma once

#include <expected>

extern "C" {
#include <xen/errno.h>
}

namespace bulkhead::hv {

enum class Error : int {
    permission = XEN_EPERM,
    no_entry = XEN_ENOENT,
    no_domain = XEN_ESRCH,
    no_address = XEN_ENXIO,
    bad_address = XEN_EFAULT,
    no_memory = XEN_ENOMEM,
    busy = XEN_EBUSY,
    exists = XEN_EEXIST,
    no_device = XEN_ENODEV,
    invalid = XEN_EINVAL,
    no_space = XEN_ENOSPC,
    read_only = XEN_EROFS,
    not_implemented = XEN_ENOSYS,
    not_supported = XEN_EOPNOTSUPP,
    no_data = XEN_ENODATA,
    out_of_range = XEN_ERANGE,
    overflow = XEN_EOVERFLOW,
    in_use = XEN_EADDRINUSE,
    restart = 85, // never reaches a guest: the work is unfinished and continues when the call is made again
};

template<class T = void>
using Result = std::expected<T, Error>;

[[nodiscard]] constexpr auto fail(Error error) { return std::unexpected{error}; }

} // namespace bulkhead::hv

// Returns from the enclosing function if `expression`, a Result, failed.
#define BULKHEAD_TRY(expression)                                                                             \
    do {                                                                                                     \
        if (auto&& bulkhead_result_ = (expression); !bulkhead_result_) [[unlikely]]                          \
            return std::unexpected{bulkhead_result_.error()};                                                \
    } while (false)
