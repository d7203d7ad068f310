// Formatting and the two consoles: the ring page shared with a console back end, or the hypervisor's
// console_io.
#include "guest/runtime/print.hpp"

#include "guest/runtime/clock.hpp"
#include "guest/runtime/hypercall.hpp"
#include "guest/runtime/internal.hpp"
#include "guest/runtime/memory.hpp"
#include "guest/runtime/schedule.hpp"

#include <xen/io/console.h>

namespace bulkhead::guest {
namespace {

class Writer {
  public:
    explicit Writer(std::span<char> buffer) : buffer_{buffer} {}
    void put(char c) {
        if (used_ < buffer_.size())
            buffer_[used_++] = c;
    }
    void put(std::string_view text) {
        for (const char c : text)
            put(c);
    }
    void put(std::uint64_t number, unsigned base) {
        std::array<char, 20> digits{};
        std::size_t count = 0;
        do {
            digits[count++] = "0123456789abcdef"[number % base];
            number /= base;
        } while (number != 0);
        while (count > 0)
            put(digits[--count]);
    }
    void put(const Printable& value, bool hex) {
        if (value.kind() == Printable::Kind::text)
            return put(value.text());
        const bool negative =
            value.kind() == Printable::Kind::integer && static_cast<std::int64_t>(value.number()) < 0;
        if (negative && !hex)
            put('-');
        put(negative && !hex ? 0 - value.number() : value.number(), hex ? 16 : 10);
    }
    [[nodiscard]] std::string_view written() const { return {buffer_.data(), used_}; }

  private:
    std::span<char> buffer_;
    std::size_t used_ = 0;
};

void write_hypervisor_console(std::string_view text) {
    static_cast<void>(hypercall::raw(__HYPERVISOR_console_io, CONSOLEIO_write, text.size(),
                                     reinterpret_cast<std::uintptr_t>(text.data())));
}

void notify_console() {
    evtchn_send send{.port = start().console.domU.evtchn};
    static_cast<void>(hypercall::event_channel_op(EVTCHNOP_send, &send));
}

// Waits until the back end has taken something, at most 100 ms of polls.
bool wait_for_space(volatile xencons_interface& ring) {
    for (int i = 0; i < 100; ++i) {
        if (ring.out_prod - ring.out_cons < sizeof(ring.out))
            return true;
        notify_console();
        internal::poll_for(milliseconds(1));
    }
    return false;
}

void write_ring(volatile xencons_interface& ring, std::string_view text) {
    for (const char c : text) {
        if (ring.out_prod - ring.out_cons >= sizeof(ring.out) && !wait_for_space(ring))
            return;
        ring.out[MASK_XENCONS_IDX(ring.out_prod, ring.out)] = c;
        asm volatile("" ::: "memory");
        ring.out_prod = ring.out_prod + 1;
    }
    notify_console();
}

volatile xencons_interface* console_ring() {
    return static_cast<volatile xencons_interface*>(internal::state.console_ring);
}

} // namespace

std::string_view format_to(std::span<char> buffer, std::string_view text,
                           std::span<const Printable> arguments) {
    Writer writer{buffer};
    std::size_t next = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const std::string_view rest = text.substr(i);
        const bool hex = rest.starts_with("{x}");
        if (rest.starts_with("{{")) {
            writer.put('{');
            i += 1;
        } else if ((hex || rest.starts_with("{}")) && next < arguments.size()) {
            writer.put(arguments[next++], hex);
            i += hex ? 2 : 1;
        } else {
            writer.put(text[i]);
        }
    }
    return writer.written();
}

void write_console(std::string_view text) {
    if (auto* ring = console_ring())
        write_ring(*ring, text);
    else
        write_hypervisor_console(text);
}

std::string_view read_console(std::span<char> buffer) {
    auto* ring = console_ring();
    if (ring == nullptr) {
        const auto count = hypercall::console_io(CONSOLEIO_read, buffer);
        return {buffer.data(), count ? static_cast<std::size_t>(*count) : 0};
    }
    std::size_t count = 0;
    while (count < buffer.size() && ring->in_cons != ring->in_prod) {
        buffer[count++] = ring->in[MASK_XENCONS_IDX(ring->in_cons, ring->in)];
        ring->in_cons = ring->in_cons + 1;
    }
    if (count != 0)
        notify_console();
    return {buffer.data(), count};
}

void panic(std::string_view text) {
    write_console("guest panic: ");
    write_console(text);
    write_console("\n");
    shutdown(Shutdown::crash);
}

} // namespace bulkhead::guest
