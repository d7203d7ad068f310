// The textual form of XENFEAT_*, as kernels write it in their notes: names joined by '|', with '!' before a
// required one.
#pragma once

#include "image/error.hpp"

#include <expected>

namespace bulkhead::image {

struct Features {
    std::uint64_t required = 0;
    std::uint64_t supported = 0;
};

// Unknown names are ignored, unless they are required: then Error::impossible_feature.
[[nodiscard]] std::expected<Features, Error> parse_features(std::string_view list);

} // namespace bulkhead::image
