// Which places of the hypervisor allocate, and at which of them an allocation was made to fail: so that a
// test can tell that it left none out. A place is a call of an allocator. A path is how it was reached.
#pragma once

#include <string>

namespace bulkhead::hv::test {

// A place that needs no failure, with the reason: `function` is a part of the name of what it is in.
struct Excused {
    const char* function;
    const char* why;
};

// From here on allocations are noted, with the return addresses on the stack.
void watch_allocation_sites(bool on);
// On all paths so far: other processes went them, and saw to it.
void note_that_all_failed();

// Empty if an allocation failed on each path that allocated, and at each place of the program that calls an
// allocator, but for those that are excused. All places are printed.
template<std::size_t n>
[[nodiscard]] std::string left_out_sites(const Excused (&excused)[n]);
[[nodiscard]] std::string left_out_sites(const Excused* excused, std::size_t count);
template<std::size_t n>
std::string left_out_sites(const Excused (&excused)[n]) {
    return left_out_sites(excused, n);
}

} // namespace bulkhead::hv::test
