#include "hv/arch/power.hpp"

#include "hv/arch/cpu.hpp"

namespace bulkhead::hv {

void stop_machine(std::uint32_t status) {
    cpu::outl(0xf4, status + 0x10);
    for (;;)
        asm volatile("cli; hlt");
}

} // namespace bulkhead::hv
