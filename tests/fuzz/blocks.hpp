// Basic blocks that the code under test has run: a cost that is the same on every computer. The compiler
// calls back for each (-fsanitize-coverage=trace-pc), and the linker leads the call past the fuzzing engine,
// which has a function of that name (tests/fuzz/blocks.cmake).
#pragma once

#include <cstdint>

namespace bulkhead::hv::test {

extern std::uint64_t blocks;
// Called once, between two basic blocks, when `blocks` comes to be alarm_at.
extern std::uint64_t alarm_at;
extern void (*alarm)();

} // namespace bulkhead::hv::test
