// A guest's console: output from console_io and from the console ring, prefixed with the guest's name, limited in rate, and
// put on the machine's serial line. Never blocks and never waits for a guest.
#pragma once

#include "abi/types.hpp"
#include "hv/core/error.hpp"

extern "C" {
#include <xen/io/console.h>
}

namespace bulkhead::hv {

struct Domain;

struct Console {
    static constexpr std::size_t line_bytes = 240;
    char line[line_bytes];
    std::uint32_t used;
    std::uint64_t dropped;    // bytes lost to the rate limit since the last notice
    std::int64_t tokens;      // bytes it may print now
    RealTime refilled;
    RealTime partial_since;   // a line without its end is shown after a while (a prompt)
    xencons_interface* ring;  // direct map, nullptr while there is none
    Mfn ring_frame;
    Port port;
};

// Hostile bytes from a guest; control characters other than \n, \r, \t and \b and escape are shown as '?'.
void console_write(Domain& domain, const char* bytes, std::size_t count);
// Takes what is in the ring's output half, at most one ring full per call; called on the ring's event.
void console_drain(Domain& domain);
// Shows unfinished lines older than 50 ms; called by the housekeeping timer. Returns whether any is left waiting.
bool console_flush(Domain& domain, bool all);
// Connects the guest's ring page. Fails if the frame is not the guest's.
[[nodiscard]] Result<Port> console_connect(Domain& domain, Mfn ring);
void console_disconnect(Domain& domain);
void console_set_rate(std::uint32_t bytes_per_second); // 0: no limit

// The hypervisor's own line: "(bulkhead) ..." with a tiny printf: %s %d %u %x %lx %llu %c %p and widths.
[[gnu::format(printf, 1, 2)]] void log(const char* format, ...);

} // namespace bulkhead::hv
