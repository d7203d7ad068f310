// The back end of the console ring (<xen/io/console.h>): the guest's page is read byte by byte, each byte
// once, and no index found in it is trusted.

#include "hv/arch/machine.hpp"
#include "hv/core/domain.hpp"
#include "hv/io/console.hpp"
#include "hv/mm/paging.hpp"

#include <algorithm>
#include <atomic>

namespace bulkhead::hv {

namespace {

constexpr std::uint32_t ring_bytes = sizeof(xencons_interface::out);
constexpr std::uint32_t chunk_bytes = 64; // shown at a time: about 25 us, what a stretch may last
static_assert((ring_bytes & (ring_bytes - 1)) == 0 && sizeof(xencons_interface) <= page_bytes);

void on_ring_event(Domain& domain, Port) { console_drain(domain); }

// Copies the oldest of what is new into `out` and returns its length. Acknowledges it to the guest.
[[nodiscard]] std::uint32_t take(Console& console, char (&out)[chunk_bytes]) {
    const LockGuard guard{console.lock};
    if (console.ring == nullptr)
        return 0;
    const XENCONS_RING_IDX produced = std::atomic_ref{console.ring->out_prod}.load(std::memory_order_acquire);
    std::uint32_t count = produced - console.consumed;
    if (count > ring_bytes) { // a ring cannot hold that: the guest lost step, so start again from where it is
        console.consumed = produced;
        count = 0;
    }
    count = std::min(count, chunk_bytes);
    for (std::uint32_t i = 0; i < count; ++i)
        out[i] = std::atomic_ref{console.ring->out[(console.consumed + i) % ring_bytes]}.load(
            std::memory_order_relaxed);
    console.consumed += count;
    std::atomic_ref{console.ring->out_cons}.store(console.consumed, std::memory_order_release);
    return count;
}

void drop_ring(Console& console) {
    const LockGuard guard{console.lock};
    if (console.ring != nullptr)
        put_data(console.ring_frame, true);
    console.ring = nullptr;
    console.ring_frame = {};
}

} // namespace

void console_drain(Domain& domain) {
    char bytes[chunk_bytes];
    std::uint32_t total = 0;
    while (total < ring_bytes) {
        const std::uint32_t count = take(domain.console, bytes);
        if (count == 0)
            break;
        console_write(domain, bytes, count);
        total += count;
        if (machine::should_preempt())
            break; // the rest with the guest's next event or the next housekeeping
    }
    if (total > 0)
        raise_hypervisor_port(domain, domain.console.port, on_ring_event); // there is room again
}

Result<Port> console_connect(Domain& domain, Mfn ring) {
    BULKHEAD_TRY(get_data(ring, domain, true));
    const auto port = bind_hypervisor_port(domain, on_ring_event);
    if (!port) {
        put_data(ring, true);
        return fail(port.error());
    }
    console_disconnect(domain);
    Console& console = domain.console;
    {
        const LockGuard guard{console.lock};
        console.ring = machine::frame_as<xencons_interface>(ring);
        console.ring_frame = ring;
        console.consumed = std::atomic_ref{console.ring->out_cons}.load(std::memory_order_relaxed);
        console.port = *port;
    }
    return port;
}

void console_disconnect(Domain& domain) {
    console_drain(domain);
    drop_ring(domain.console);
}

} // namespace bulkhead::hv
