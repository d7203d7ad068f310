// Domain 0's part of network interfaces: their directories in xenstore, and the states that lead a guest's
// front end to rings in the hypervisor and away from them (xen/io/xenbus.h, xen/io/netif.h). The packets
// never pass here.
#pragma once

#include "guest/dom0/manifest_view.hpp"
#include "guest/dom0/store_service.hpp"

namespace bulkhead::dom0 {

// An interface and where its two ends stand.
struct InterfaceEnd {
    const manifest::Interface* interface;
    std::uint32_t number;    // in the manifest's table
    bool leads_outside;      // its network has a port to the world outside
    std::uint64_t front = 0; // the state that the front end was seen in last
    bool connected = false;  // the hypervisor has its rings
};

class Interfaces {
  public:
    constexpr explicit Interfaces(StoreService& store) : store_{&store} {}
    // Makes the directories of a guest that was built. `ends` are its interfaces.
    void describe(DomainId domain, std::span<InterfaceEnd> ends);
    // After the guest may have written to xenstore: follows its front ends.
    void follow(DomainId domain, const manifest::Guest& guest, std::span<InterfaceEnd> ends);
    // The guest goes: the hypervisor takes its rings back by itself.
    void forget(DomainId domain);

  private:
    void step(DomainId domain, const manifest::Guest& guest, InterfaceEnd& end, std::uint64_t state);
    [[nodiscard]] bool connect(DomainId domain, const manifest::Guest& guest, InterfaceEnd& end);
    void part(DomainId domain, InterfaceEnd& end);
    void set_state(DomainId domain, const InterfaceEnd& end, std::uint64_t state);

    StoreService* store_;
};

} // namespace bulkhead::dom0
