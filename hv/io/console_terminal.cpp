// The one console that is a terminal: its guest, and the paths of typed input to that guest. Never waits for
// a guest that does not read.

#include "hv/base/machine.hpp"
#include "hv/domain/domain.hpp"
#include "hv/io/console.hpp"
#include "hv/io/output.hpp"

#include <algorithm>
#include <atomic>

namespace bulkhead::hv {

namespace {

constexpr std::uint32_t ring_bytes = sizeof(xencons_interface::in);
static_assert((ring_bytes & (ring_bytes - 1)) == 0);

constinit char terminal_name[manifest::name_bytes]{};

// What the guest left free, or nothing if its index cannot be.
[[nodiscard]] std::uint32_t room(const Console& console) {
    const XENCONS_RING_IDX read = std::atomic_ref{console.ring->in_cons}.load(std::memory_order_acquire);
    const std::uint32_t unread = console.typed - read;
    return unread > ring_bytes ? 0 : ring_bytes - unread;
}

// The guest moves its index by asking; one that cannot be, gives nothing.
[[nodiscard]] std::size_t take_unread(Console& console, char* bytes, std::size_t count) {
    if (console.ring == nullptr)
        return 0;
    const XENCONS_RING_IDX read = std::atomic_ref{console.ring->in_cons}.load(std::memory_order_relaxed);
    const std::uint32_t unread = console.typed - read;
    if (unread > ring_bytes)
        return 0;
    const auto taken = static_cast<std::uint32_t>(std::min<std::size_t>(unread, count));
    for (std::uint32_t i = 0; i < taken; ++i)
        bytes[i] = std::atomic_ref{console.ring->in[(read + i) % ring_bytes]}.load(std::memory_order_relaxed);
    std::atomic_ref{console.ring->in_cons}.store(read + taken, std::memory_order_release);
    return taken;
}

} // namespace

void console_set_terminal(std::string_view name) {
    const auto length = std::min(name.size(), sizeof terminal_name - 1);
    std::copy_n(name.data(), length, terminal_name);
    terminal_name[length] = 0;
}

bool console_is_terminal(const Domain& domain) {
    std::size_t i = 0;
    while (i < sizeof terminal_name - 1 && terminal_name[i] != 0 && terminal_name[i] == domain.name[i])
        ++i;
    return i > 0 && terminal_name[i] == 0 && domain.name[i] == 0;
}

std::size_t console_read(Console& console, char* bytes, std::size_t count) {
    const LockGuard guard{console.lock};
    if (!console.terminal)
        return 0;
    auto taken = take_unread(console, bytes, count);
    while (taken < count) {
        const auto byte = machine::get_console();
        if (!byte)
            break;
        bytes[taken++] = *byte;
    }
    return taken;
}

bool console_type(Console& console) {
    const LockGuard guard{console.lock};
    if (console.ring == nullptr)
        return false;
    auto left = std::min<std::uint32_t>(room(console), console_piece);
    const auto before = console.typed;
    for (; left > 0; --left) {
        const auto byte = machine::get_console();
        if (!byte)
            break;
        std::atomic_ref{console.ring->in[console.typed++ % ring_bytes]}.store(*byte,
                                                                              std::memory_order_relaxed);
    }
    std::atomic_ref{console.ring->in_prod}.store(console.typed, std::memory_order_release);
    return console.typed != before;
}

} // namespace bulkhead::hv
