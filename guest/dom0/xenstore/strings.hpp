// Zero-terminated strings inside of a payload.
#pragma once

#include "guest/dom0/xenstore/error.hpp"

namespace bulkhead::xenstore {

// Takes the string before the next zero byte off `rest`; Error::invalid if there is none.
inline Result<std::string_view> take_string(std::string_view& rest) {
    for (std::size_t i = 0; i < rest.size(); ++i)
        if (rest[i] == '\0') {
            const auto text = rest.substr(0, i);
            rest.remove_prefix(i + 1);
            return text;
        }
    return fail(Error::invalid);
}

// The payload's only string.
inline Result<std::string_view> only_string(std::string_view payload) {
    const auto text = take_string(payload);
    return text && payload.empty() ? text : fail(Error::invalid);
}

} // namespace bulkhead::xenstore
