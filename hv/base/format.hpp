// A printf for fixed buffers: %s %c %d %i %u %x %X %p %% with h, hh, l, ll, z, a width, '0', '-' and a
// string's precision. Never writes beyond the buffer, and always ends it with a zero.
#pragma once

#include <cstdarg>
#include <cstddef>

namespace bulkhead::hv {

// Returns how many characters were stored, without the zero. `size` is at least 1. What does not fit is cut.
std::size_t format_arguments(char* out, std::size_t size, const char* format, std::va_list arguments);
[[gnu::format(printf, 3, 4)]] std::size_t format_text(char* out, std::size_t size, const char* format, ...);

} // namespace bulkhead::hv
