// Shared by the event-channel sources only: allocation of ports and the notification of a vCPU.
#pragma once

#include "hv/event/channel.hpp"

namespace bulkhead::hv::events {

// Serialises every change of a binding, on all domains. A port's contents are written with this and then its
// domain's events.lock held; so a reader needs only the latter, and no two domains' locks are ever nested.
[[nodiscard]] Lock<Rank::bindings>& binding_lock();

// Takes the lowest free port and fills it. binding_lock is held, domain.events.lock is not.
// Fails: no_space when all ports are in use, no_memory when the quota is.
[[nodiscard]] Result<Port> take_port(Domain& domain, const EventPort& contents);
// Replaces the contents of an allocated port. binding_lock is held.
void store(Domain& domain, Port port, const EventPort& contents);
// Back to free, with its pending bit cleared. binding_lock is held.
void release_port(Domain& domain, Port port);

// raise_port for a bound port whose contents were just read.
void raise(Domain& domain, Port port, const EventPort& contents);
// The second half of raising: the port's selector bit and the vCPU's upcall. Takes no lock.
void notify_vcpu(Domain& domain, std::uint16_t vcpu, Port port);

} // namespace bulkhead::hv::events
