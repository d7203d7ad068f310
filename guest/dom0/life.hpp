// What becomes of a guest that has shut down. Pure decisions: the loop of domain 0 carries them out.
#pragma once

#include "abi/manifest.hpp"

#include <algorithm>
#include <xen/sched.h>

namespace bulkhead::dom0 {

enum class Fate : std::uint8_t { destroy, preserve, restart };

// A guest that ends in any other way than by its own wish has crashed.
[[nodiscard]] constexpr bool is_crash(std::uint32_t shutdown_reason) {
    return shutdown_reason != SHUTDOWN_poweroff && shutdown_reason != SHUTDOWN_reboot;
}

[[nodiscard]] constexpr Fate fate_of(std::uint32_t shutdown_reason, manifest::OnCrash on_crash) {
    if (shutdown_reason == SHUTDOWN_poweroff)
        return Fate::destroy;
    if (shutdown_reason == SHUTDOWN_reboot)
        return Fate::restart;
    switch (on_crash) {
    case manifest::OnCrash::preserve:
        return Fate::preserve;
    case manifest::OnCrash::restart:
        return Fate::restart;
    case manifest::OnCrash::destroy:
        break;
    }
    return Fate::destroy;
}

// Restarts that follow each other quickly are put off, each twice as long as the one before, so that a guest
// that dies in a loop does not live from domain 0's time.
class Backoff {
  public:
    static constexpr Nanos shortest = milliseconds(10), longest = milliseconds(10'000);

    // How long to wait after a life that lasted `lived`. A life longer than the longest delay makes it short
    // again.
    [[nodiscard]] constexpr Nanos next(Nanos lived) {
        if (lived >= longest)
            delay_ = shortest;
        const Nanos delay = delay_;
        delay_ = std::min(delay_ * 2, longest);
        return delay;
    }

  private:
    Nanos delay_ = shortest;
};

} // namespace bulkhead::dom0
