#include "tests/fuzz/blocks.hpp"

#include <utility>

namespace bulkhead::hv::test {
std::uint64_t blocks = 0, alarm_at = 0;
void (*alarm)() = nullptr;
} // namespace bulkhead::hv::test

extern "C" [[clang::no_sanitize("coverage")]] void __wrap___sanitizer_cov_trace_pc();
extern "C" [[clang::no_sanitize("coverage")]] void __wrap___sanitizer_cov_trace_pc() {
    using namespace bulkhead::hv::test;
    if (++blocks == alarm_at)
        std::exchange(alarm, nullptr)();
}
