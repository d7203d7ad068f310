#include "hv/arch/power.hpp"

#include "hv/arch/cpu.hpp"

namespace bulkhead::hv {

void stop_machine(std::uint32_t status) {
    cpu::outl(0xf4, status + 0x10);
    for (;;)
        asm volatile("cli; hlt");
}

void ring_doorbell(std::uint16_t port) {
    cpu::outb(port, 0);
    asm volatile("" ::: "memory"); // the world outside has written meanwhile
}

} // namespace bulkhead::hv
