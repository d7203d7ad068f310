// Whole lines for the serial line, so that two speakers never mix within one.
#pragma once

#include <cstddef>

namespace bulkhead::hv {

// "PREFIX| text", or "PREFIX text" with another separator. Text without a line end; one is added.
void put_line(const char* prefix, const char* separator, const char* text, std::size_t length);

} // namespace bulkhead::hv
