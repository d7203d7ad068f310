// The machine's console: the first serial port (16550), polled.
#include "hv/arch/cpu.hpp"
#include "hv/base/machine.hpp"

namespace bulkhead::hv::machine {

namespace {
constexpr std::uint16_t port = 0x3f8;
bool ready = false;

void start_serial() {
    cpu::outb(port + 1, 0x00); // no interrupts
    cpu::outb(port + 3, 0x80); // divisor latch
    cpu::outb(port + 0, 1);    // 115200 baud
    cpu::outb(port + 1, 0);
    cpu::outb(port + 3, 0x03); // 8n1
    cpu::outb(port + 2, 0xc7); // FIFOs on
    ready = true;
}
} // namespace

void put_console(char byte) {
    if (!ready)
        start_serial();
    for (int spins = 0; (cpu::inb(port + 5) & 0x20) == 0 && spins < 100'000;
         ++spins) // no port at all reads as ready
        ;
    cpu::outb(port, static_cast<std::uint8_t>(byte));
}

std::optional<char> get_console() {
    constexpr std::uint8_t none = 0xff; // the port does not exist
    const std::uint8_t state = ready ? cpu::inb(port + 5) : none;
    if (state == none || (state & 1) == 0)
        return std::nullopt;
    return static_cast<char>(cpu::inb(port));
}

} // namespace bulkhead::hv::machine
