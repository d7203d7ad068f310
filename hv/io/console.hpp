// A guest's console: output from console_io and from the console ring, prefixed with the guest's name,
// limited in rate, and put on the machine's serial line. Never blocks and never waits for a guest.
#pragma once

#include "abi/types.hpp"
#include "hv/base/error.hpp"
#include "hv/base/lock.hpp"
#include "hv/io/console_filter.hpp"

#include <string_view>

extern "C" {
#include <xen/io/console.h>
}

namespace bulkhead::hv {

struct Domain;

// How many bytes a guest may still print; refilled with time.
struct ConsoleBudget {
    std::int64_t tokens;
    RealTime refilled;
    std::uint64_t dropped; // bytes lost since the last notice
    bool started;          // false: full
};

// All zero is a console that has not been used yet.
struct Console {
    static constexpr std::size_t line_bytes = 240;
    Lock<Rank::console> lock; // taken before nothing but the output's own
    char line[line_bytes];
    std::uint32_t used;
    std::uint64_t printed; // bytes that the guest gave, shown or not
    TextFilter filter;
    ConsoleBudget budget;
    RealTime partial_since;    // a line without its end is shown after a while (a prompt)
    xencons_interface* ring;   // direct map, nullptr while there is none
    XENCONS_RING_IDX consumed; // out_cons as it should be; the ring's own is the guest's to spoil
    XENCONS_RING_IDX typed;    // in_prod, likewise
    Mfn ring_frame;
    std::uint32_t last_words; // bytes that are still read from the ring when it is disconnected
    Port port;
    bool terminal; // see console_set_terminal
};

// Hostile bytes from a guest, at most console_piece (hv/io/output.hpp) at a time, once output_has_room.
// Terminal escapes are taken out, control characters other than \n, \r, \t and \b shown as '?'. Whole lines
// are queued; pump_output sends them.
void console_write(Domain& domain, const char* bytes, std::size_t count);
// Shows what is in the ring's output half, as long as the section's budget lasts and the serial line keeps
// up; what is left waits in the ring. Called on the ring's event and by the housekeeping timer.
void console_drain(Domain& domain);
// Shows unfinished lines older than 50 ms and overdue drop notices, or with `all` whatever is held back;
// called by the housekeeping timer and at the end of a run. Returns whether anything is left waiting.
bool console_flush(Domain& domain, bool all);
// Moves what was typed into the ring of the guest whose console is a terminal, as much as fits. True if the
// guest is to be told.
[[nodiscard]] bool console_type(Console& console);
// Takes up to `count` bytes of what was typed for this console: first what the guest left unread in its ring,
// which is then read, then what no ring has room for. Returns how many; none for a console that is no
// terminal.
[[nodiscard]] std::size_t console_read(Console& console, char* bytes, std::size_t count);
// Connects the guest's ring page, whose reference is held until console_disconnect; a ring connected before
// is let go. Fails if the frame is not the guest's to write.
[[nodiscard]] Result<Port> console_connect(Domain& domain, Mfn ring);
// Shows what is left in the ring and lets it go; before the domain's memory is relinquished. Answers restart
// until done.
[[nodiscard]] Result<> console_disconnect(Domain& domain);
// Bytes per second and guest, its prefix included; a second's worth may come at once. 0: no limit.
void console_set_rate(std::uint32_t bytes_per_second);
// The guest of this name has a terminal: what it prints is sent at once and unfiltered as "NAME~ text", each
// byte that is not printable as a backslash and two hexadecimal digits; what comes in on the machine's
// console goes into its ring. Empty for none. Said once, before there is a guest.
void console_set_terminal(std::string_view name);
[[nodiscard]] bool console_is_terminal(const Domain& domain);

// Whether console_drain and console_flush have something to do for this guest, soon or later.
[[nodiscard]] bool console_waits(const Domain& domain);

} // namespace bulkhead::hv
