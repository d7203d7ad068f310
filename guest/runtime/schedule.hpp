// Giving the CPU away, and ending.
#pragma once

#include "abi/types.hpp"

#include <cstdint>

namespace bulkhead::guest {

enum class Shutdown : std::uint32_t { poweroff = 0, reboot = 1, suspend = 2, crash = 3 };

void yield();
void block(); // until an event is pending; unmasks upcalls
[[noreturn]] void shutdown(Shutdown reason = Shutdown::poweroff);

} // namespace bulkhead::guest
