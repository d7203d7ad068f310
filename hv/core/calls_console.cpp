// console_io: writes in small chunks, with a preemption point after each.

#include "hv/core/calls_console.hpp"

#include "hv/arch/machine.hpp"
#include "hv/core/domain.hpp"
#include "hv/io/console.hpp"

#include <algorithm>

namespace bulkhead::hv {

namespace {

constexpr std::uint64_t chunk_bytes = 128;

// On restart the arguments name the part that is still to be written.
[[nodiscard]] HypercallResult write(HypercallContext& context, std::uint64_t from, std::uint64_t left) {
    char chunk[chunk_bytes];
    while (left > 0) {
        const std::uint64_t bytes = std::min(left, chunk_bytes);
        if (!machine::copy_from_guest(chunk, GuestAddress{from}, bytes))
            return fail(Error::bad_address);
        console_write(context.domain, chunk, bytes);
        from += bytes;
        left -= bytes;
        if (left > 0 && machine::should_preempt()) {
            context.arguments[1] = left;
            context.arguments[2] = from;
            return fail(Error::restart);
        }
    }
    return 0;
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
