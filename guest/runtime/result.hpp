// How everything in the guest runtime reports failure: Xen's own error numbers as a type, carried by
// std::expected.
#pragma once

#include <expected>
#include <string_view>
#include <xen/errno.h>

namespace bulkhead::guest {

// A positive errno of <xen/errno.h>, or a GNTST_* code turned into one. Unlisted numbers are legal values.
enum class Error : int {
    not_permitted = XEN_EPERM,
    no_entry = XEN_ENOENT,
    no_such_domain = XEN_ESRCH,
    io = XEN_EIO,
    too_big = XEN_E2BIG,
    again = XEN_EAGAIN,
    no_memory = XEN_ENOMEM,
    access = XEN_EACCES,
    fault = XEN_EFAULT,
    busy = XEN_EBUSY,
    exists = XEN_EEXIST,
    no_device = XEN_ENODEV,
    invalid = XEN_EINVAL,
    no_space = XEN_ENOSPC,
    no_such_call = XEN_ENOSYS,
    bad_message = XEN_EBADMSG,
    overflow = XEN_EOVERFLOW,
    not_supported = XEN_EOPNOTSUPP,
    timed_out = XEN_ETIMEDOUT,
};

template<class T>
using Result = std::expected<T, Error>;
using Status = Result<void>;

// "EINVAL" and so on; "E?" for a number that <xen/errno.h> does not list.
[[nodiscard]] std::string_view name(Error error);

} // namespace bulkhead::guest
