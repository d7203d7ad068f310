// Domain 0's part of block devices: their directories in xenstore, and the states that lead a guest's front
// end to a ring in the hypervisor and away from it (xen/io/xenbus.h, xen/io/blkif.h). The data never passes
// here.
#pragma once

#include "guest/dom0/manifest_view.hpp"
#include "guest/dom0/store_service.hpp"

namespace bulkhead::dom0 {

// A disk and where its two ends stand.
struct DiskEnd {
    const manifest::Disk* disk;
    std::uint32_t number;    // in the manifest's table
    std::uint64_t front = 0; // the state that the front end was seen in last
    bool connected = false;  // the hypervisor has its ring
};

class Disks {
  public:
    constexpr explicit Disks(StoreService& store) : store_{&store} {}
    // Makes the directories of a guest that was built. `ends` are its disks.
    void describe(DomainId domain, const manifest::Guest& guest, std::span<DiskEnd> ends);
    // After the guest may have written to xenstore: follows its front ends.
    void follow(DomainId domain, const manifest::Guest& guest, std::span<DiskEnd> ends);
    // The guest goes: the hypervisor takes its rings back by itself.
    void forget(DomainId domain);

  private:
    void step(DomainId domain, const manifest::Guest& guest, DiskEnd& end, std::uint64_t state);
    [[nodiscard]] bool connect(DomainId domain, const manifest::Guest& guest, DiskEnd& end);
    void part(DomainId domain, DiskEnd& end);
    void set_state(DomainId domain, const DiskEnd& end, std::uint64_t state);

    StoreService* store_;
};

} // namespace bulkhead::dom0
