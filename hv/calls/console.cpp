// console_io: writes in small chunks, with a preemption point after each; a read takes one chunk at most.

#include "hv/calls/console.hpp"

#include "hv/base/machine.hpp"
#include "hv/domain/domain.hpp"
#include "hv/io/console.hpp"
#include "hv/io/output.hpp"

#include <algorithm>

namespace bulkhead::hv {

namespace {

// On restart the arguments name the part that is still to be written. The call is over only when the serial
// line has it all, so that the guest that talks is the guest that waits, and pays.
[[nodiscard]] HypercallResult write(HypercallContext& context, std::uint64_t from, std::uint64_t left) {
    char piece[console_piece];
    for (;;) {
        if (left > 0 && output_has_room()) {
            const std::uint64_t bytes = std::min<std::uint64_t>(left, sizeof piece);
            if (!machine::copy_from_guest(piece, GuestAddress{from}, bytes))
                return fail(Error::bad_address);
            console_write(context.domain, piece, bytes);
            from += bytes;
            left -= bytes;
        }
        if (pump_output() && left == 0)
            return 0;
        if (machine::should_preempt()) {
            context.arguments[1] = left;
            context.arguments[2] = from;
            return fail(Error::restart);
        }
    }
}

// Does not wait: 0 if nothing was typed. What could not be copied is lost, as the guest's buffer was.
[[nodiscard]] HypercallResult read(HypercallContext& context, std::uint64_t to, std::uint64_t most) {
    char piece[console_piece];
    const auto taken =
        console_read(*context.domain.console, piece, std::min<std::uint64_t>(most, sizeof piece));
    if (!machine::copy_to_guest(GuestAddress{to}, piece, taken))
        return fail(Error::bad_address);
    return static_cast<std::int64_t>(taken);
}

} // namespace

HypercallResult ConsoleIo::run(HypercallContext& context) const {
    if (command != CONSOLEIO_write && command != CONSOLEIO_read)
        return fail(Error::not_implemented);
    if (count < 0)
        return fail(Error::invalid);
    if (command == CONSOLEIO_read)
        return read(context, buffer, static_cast<std::uint64_t>(count));
    return write(context, buffer, static_cast<std::uint64_t>(count));
}

} // namespace bulkhead::hv
