#include "hv/plugin/random.hpp"

#include "host/random.hpp"

namespace bulkhead::hv {

namespace {
std::uint64_t random_state = 0;
}

void seed_random(std::uint64_t seed) { random_state = seed; }

std::uint64_t next_random() { return host::next_random(random_state); }

} // namespace bulkhead::hv
