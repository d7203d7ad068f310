// The network back end (<xen/io/netif.h>: one queue, one event channel, receive by copy, packets in several
// slots and TCP segments that are not cut, checksums as the sender left them): connects
// a guest's rings to a port of the machine's switch, and gives everything back when they go. Its functions
// take the drive lock.
#pragma once

#include "abi/plugin.hpp"
#include "abi/types.hpp"
#include "device/switch.hpp"
#include "hv/base/error.hpp"

#include <cstdint>

namespace bulkhead::hv {

struct Domain;

struct NetConnection {
    std::uint64_t interface;    // its number in the manifest, and of the switch's port
    GrantRef tx, rx;            // the guest's pages, granted to domain 0 for writing
    Port event;                 // the guest's, which waits for domain 0
    std::uint16_t takes;        // control::net_takes_*
    const std::int64_t* values; // of the ring policy's domain parameters, nullptr: its defaults
    std::uint16_t group;        // of domains that the ring policy takes for one; 0: none
};

// At boot, once; then the interfaces, in the order of the manifest's table.
void start_switch(const device::SwitchModel& model);
// False: there are too many, or the address is taken or one of a group.
[[nodiscard]] bool add_interface(std::uint32_t network, device::Mac mac);
[[nodiscard]] device::Switch& machine_switch();

// Fails: no_entry (no such interface), busy (it is connected), invalid (a page or the port), no_memory (the
// guest's quota); restart: make the call again.
[[nodiscard]] Result<> connect_interface(Domain& domain, const NetConnection& connection);
// What the interface has is lost; what the switch has of it is waited for: answers restart until done.
// no_entry if the domain has no rings on that interface.
[[nodiscard]] Result<> disconnect_interface(Domain& domain, std::uint64_t interface);
// All of them, before the domain's memory goes. Answers restart until done.
[[nodiscard]] Result<> disconnect_all_interfaces(Domain& domain);
// The domain's weight has changed.
void net_weight_changed(const Domain& domain);
// Its parameters change, as the ring policy was asked before. The drive lock is held.
void net_values_changed(const Domain& domain, const plugin::ValueChanges& changes);
// Takes the packets of one interface for which there was no time or no room before, billed to its guest.
// False if there is none. The drive lock is held.
[[nodiscard]] bool take_left_packets();

} // namespace bulkhead::hv
