// The back end of the console ring (<xen/io/console.h>): the guest's page is read byte by byte, each byte
// once, and no index found in it is trusted.

#include "hv/base/machine.hpp"
#include "hv/domain/domain.hpp"
#include "hv/domain/holders.hpp"
#include "hv/io/console.hpp"
#include "hv/io/output.hpp"
#include "hv/mm/paging.hpp"

#include <algorithm>
#include <atomic>

namespace bulkhead::hv {

namespace {

constexpr std::uint32_t ring_bytes = sizeof(xencons_interface::out);
static_assert((ring_bytes & (ring_bytes - 1)) == 0 && sizeof(xencons_interface) <= page_bytes);

void on_ring_event(Domain& domain, Port) { console_drain(domain); }

// Copies the oldest of what is new into `out` and returns its length. Acknowledges it to the guest.
[[nodiscard]] std::uint32_t take(Console& console, char (&out)[console_piece]) {
    const LockGuard guard{console.lock};
    if (console.ring == nullptr)
        return 0;
    const XENCONS_RING_IDX produced = std::atomic_ref{console.ring->out_prod}.load(std::memory_order_acquire);
    std::uint32_t count = produced - console.consumed;
    if (count > ring_bytes) { // a ring cannot hold that: the guest lost step, so start again from where it is
        console.consumed = produced;
        count = 0;
    }
    count = std::min<std::uint32_t>(count, console_piece);
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

// Shows at most `budget` bytes and lowers it by what was shown. False if the time was used up or the serial
// line is behind: more may be left.
[[nodiscard]] bool show_ring(Domain& domain, std::uint32_t& budget) {
    char bytes[console_piece];
    while (budget > 0) {
        if (!pump_output() && !output_has_room())
            return false;
        const std::uint32_t count = take(*domain.console, bytes);
        if (count == 0)
            break;
        console_write(domain, bytes, count);
        budget -= std::min(budget, count);
        if (machine::should_preempt())
            return false;
    }
    return true;
}

} // namespace

bool console_waits(const Domain& domain) {
    const Console& console = *domain.console;
    if (console.used > 0 || console.budget.dropped > 0)
        return true;
    if (console.ring == nullptr)
        return false;
    return console.terminal || // input may have been typed
           std::atomic_ref{console.ring->out_prod}.load(std::memory_order_relaxed) != console.consumed;
}

void console_drain(Domain& domain) {
    std::uint32_t budget = ring_bytes;
    if (show_ring(domain, budget))
        pump_output();
    const bool typed = domain.console->terminal && console_type(*domain.console);
    if (budget < ring_bytes || typed)
        raise_hypervisor_port(domain, domain.console->port,
                              on_ring_event); // there is room, or something to read
}

Result<Port> console_connect(Domain& domain, Mfn ring) {
    BULKHEAD_TRY(get_data(ring, domain, true));
    const auto port = bind_hypervisor_port(domain, on_ring_event);
    if (!port) {
        put_data(ring, true);
        return fail(port.error());
    }
    drop_ring(*domain.console);
    Console& console = *domain.console;
    {
        const LockGuard guard{console.lock};
        console.ring = machine::frame_as<xencons_interface>(ring);
        console.ring_frame = ring;
        console.consumed = std::atomic_ref{console.ring->out_cons}.load(std::memory_order_relaxed);
        console.typed = std::atomic_ref{console.ring->in_prod}.load(std::memory_order_relaxed);
        console.port = *port;
        console.terminal = console_is_terminal(domain);
        console.last_words = ring_bytes;
    }
    return port;
}

Mfn console_ring_frame(const Domain& domain) { return domain.console->ring_frame; }

// Others may write to the ring while it goes, so that it need never be empty: one ring full, and it is over.
Result<> console_disconnect(Domain& domain) {
    if (!show_ring(domain, domain.console->last_words) && domain.console->last_words > 0)
        return fail(Error::restart);
    drop_ring(*domain.console);
    return {};
}

} // namespace bulkhead::hv
