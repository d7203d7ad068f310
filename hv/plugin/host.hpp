// What a policy may ask of the hypervisor (plugin::Host): time, random numbers, a bounded arena, trace notes,
// kicks.
#pragma once

#include "abi/plugin.hpp"

#include <cstddef>

namespace bulkhead::hv {

class PolicyHost {
  public:
    static constexpr std::uint64_t arena_bytes = 4 << 20;

    // The arena lies at `arena`, mapped as it is used.
    void start(std::uint64_t arena);
    [[nodiscard]] const plugin::Host& table() const { return table_; }
    [[nodiscard]] void* allocate(std::size_t bytes, std::size_t alignment);

  private:
    plugin::Host table_{};
    std::uint64_t arena_ = 0, used_ = 0, mapped_ = 0;
};

// The run's seed; every source of randomness in the hypervisor derives from it.
void seed_random(std::uint64_t seed);
[[nodiscard]] std::uint64_t next_random();

} // namespace bulkhead::hv
