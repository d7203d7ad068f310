#include "tests/fuzz/blocks.hpp"

namespace bulkhead::hv::test {
std::uint64_t blocks = 0;
}

extern "C" [[clang::no_sanitize("coverage")]] void __wrap___sanitizer_cov_trace_pc();
extern "C" [[clang::no_sanitize("coverage")]] void __wrap___sanitizer_cov_trace_pc() {
    ++bulkhead::hv::test::blocks;
}
