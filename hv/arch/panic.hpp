// The end of a run after an error of the hypervisor itself.
#pragma once

#include "hv/arch/registers.hpp"

namespace bulkhead::hv {

[[noreturn]] void panic_at(const Registers& regs, std::uint64_t fault_address);

} // namespace bulkhead::hv
