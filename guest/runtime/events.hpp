// Event channels (2-level ABI): get ports, have a function called on them, wait. Handlers run on the upcall,
// on the stack of whatever was interrupted, with upcalls masked: they must be short and must not wait.
#pragma once

#include "abi/types.hpp"
#include "guest/runtime/result.hpp"

#include <span>

namespace bulkhead::guest::events {

using Handler = void (*)(Port port);

[[nodiscard]] Result<Port> allocate_unbound(DomainId remote, DomainId owner);
[[nodiscard]] Result<Port> allocate_unbound(DomainId remote); // one of our own
[[nodiscard]] Result<Port> bind_interdomain(DomainId remote, Port remote_port);
[[nodiscard]] Result<Port> bind_virq(unsigned virq);
[[nodiscard]] Result<Port> bind_ipi();
Status close(Port port);
Status notify(Port port);

// From now on `handler` is called for `port`, and the port is unmasked. nullptr: only remembered for `take`.
void listen(Port port, Handler handler = nullptr);
void mask(Port port);
void unmask(Port port); // delivers what came while it was masked
// Was the port signalled since the last take? Forgets it.
[[nodiscard]] bool take(Port port);
[[nodiscard]] std::uint64_t upcalls(); // how often the upcall ran

// Waits (blocked) until the port was signalled, or until the deadline; true if it was signalled, and takes
// it.
bool wait(Port port, GuestTime deadline = GuestTime::never());
// The same for several ports: until at least one of them was signalled, and takes all that were.
bool wait(std::span<const Port> ports, GuestTime deadline = GuestTime::never());
// Waits until any event was handled or the deadline has passed. May return for no reason. Leaves upcalls
// open.
void wait_any(GuestTime deadline = GuestTime::never());

// Upcalls off while it lives; what arrived meanwhile is delivered at its end.
class Masked {
  public:
    Masked();
    ~Masked();
    Masked(const Masked&) = delete;
    Masked& operator=(const Masked&) = delete;

  private:
    bool before_;
};

} // namespace bulkhead::guest::events
