// The pages of a simulated guest, with their memory.
#pragma once

#include "workloads/guest_pages.hpp"

#include <vector>

namespace bulkhead::sim {

struct GuestPagesMemory {
    std::vector<workload::GuestPages::Page> pages_memory;
    std::vector<std::uint32_t> resident_memory;
};

class GuestPages : GuestPagesMemory, public workload::GuestPages {
  public:
    explicit GuestPages(std::size_t pages)
        : GuestPagesMemory{std::vector<Page>(pages), std::vector<std::uint32_t>(pages)},
          workload::GuestPages{pages_memory, resident_memory} {}
    GuestPages(GuestPages&&) = default; // the vectors' memory stays where it is
    GuestPages& operator=(GuestPages&&) = default;
};

} // namespace bulkhead::sim
