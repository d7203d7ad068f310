// The services behind plugin::Host for policies that need no pCPU: time as its owner sets it, the run's
// random numbers, an arena for each policy in turn. It never decides anything.
#pragma once

#include "sim/policy.hpp"

#include <functional>

namespace bulkhead::sim {

// What draws random numbers beside the scheduler, which has the run's seed itself.
enum class Draws : std::uint64_t { memory_policy = 1, ring_policy, page_samples };

// Its own seed, so that no two of them draw the same numbers.
constexpr std::uint64_t seed_of(Draws stream, std::uint64_t seed) {
    return seed ^ static_cast<std::uint64_t>(stream) * 0xd1b54a32d192ed03;
}

class Desk {
  public:
    explicit Desk(std::uint64_t seed) : random_{seed} {
        host_.context = this;
        host_.pcpus = 0;
        host_.now = [](void* self) { return static_cast<Desk*>(self)->now; };
        host_.random = [](void* self) { return splitmix(static_cast<Desk*>(self)->random_); };
        host_.allocate = [](void* self, std::size_t bytes, std::size_t alignment) {
            return static_cast<Desk*>(self)->arena_->allocate(bytes, alignment);
        };
        host_.note = [](void* self, std::uint64_t code, std::uint64_t value) {
            if (auto& listener = static_cast<Desk*>(self)->on_note)
                listener(code, value);
        };
        host_.kick = [](void*, PcpuId) {};
    }
    Desk(const Desk&) = delete;
    Desk& operator=(const Desk&) = delete;

    [[nodiscard]] const plugin::Host& host() const { return host_; }
    // For another policy. What the former one kept is gone.
    void start_arena() { arena_ = std::make_unique<Arena>(); }
    [[nodiscard]] void* allocate(std::size_t bytes, std::size_t alignment) {
        return arena_->allocate(bytes, alignment);
    }

    RealTime now{};
    std::function<void(std::uint64_t code, std::uint64_t value)> on_note;

  private:
    plugin::Host host_{};
    std::uint64_t random_;
    std::unique_ptr<Arena> arena_;
};

} // namespace bulkhead::sim
