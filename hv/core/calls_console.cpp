// console_io: writes in small chunks, with a preemption point after each.

#include "hv/core/calls_console.hpp"

#include "hv/arch/machine.hpp"
#include "hv/core/domain.hpp"
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

} // namespace

HypercallResult ConsoleIo::run(HypercallContext& context) const {
    if (command != CONSOLEIO_write && command != CONSOLEIO_read)
        return fail(Error::not_implemented);
    if (count < 0)
        return fail(Error::invalid);
    if (command == CONSOLEIO_read)
        return 0; // nobody types
    return write(context, buffer, static_cast<std::uint64_t>(count));
}

} // namespace bulkhead::hv
