// The hypervisor's own line on the machine's console: "(bulkhead) ..." with the printf of format.hpp. From
// any context. hv/io queues it like a guest's; a caller that will not come back calls flush_output
// (hv/io/output.hpp).
#pragma once

#include <cstdarg>

namespace bulkhead::hv {

[[gnu::format(printf, 1, 2)]] void log(const char* format, ...);
[[gnu::format(printf, 1, 0)]] void log_arguments(const char* format, std::va_list arguments);

} // namespace bulkhead::hv
