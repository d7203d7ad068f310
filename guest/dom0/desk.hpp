// Where domain 0 gets its orders at the timeline's stops, and leaves word of what came of them. Not used in a
// run without a stop.
#pragma once

#include "abi/steering.hpp"
#include "guest/runtime/result.hpp"

#include <span>

namespace bulkhead::dom0 {

class Desk {
  public:
    // Stands still until the world outside has said what is next, from `elapsed` (since the run's start) on.
    // The entries stay until the next stop. They are as they came: to be checked.
    [[nodiscard]] guest::Result<std::span<const manifest::TimelineEntry>> stand_still(Nanos elapsed);
    // Entry `index` of the last stop's is done.
    void note(std::size_t index, Nanos elapsed, guest::Status result);
    // The successor's parameters in entry `index`; nullptr if there was no stop yet: they are the manifest's.
    [[nodiscard]] const std::int64_t* parameters(std::size_t index) const;

  private:
    void open();

    steering::Page* page_ = nullptr;
    manifest::TimelineEntry* entries_ = nullptr;
};

} // namespace bulkhead::dom0
