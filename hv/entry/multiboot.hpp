// The information of the boot loader (Multiboot specification, version 0.6.96): the memory map and the
// manifest module.
#pragma once

#include "hv/arch/address_space.hpp"

#include <array>
#include <cstdint>

namespace bulkhead::hv {

inline constexpr std::uint32_t multiboot_magic = 0x2badb002;

struct BootFacts {
    std::array<MemoryRange, 32> ram{}; // usable, whole frames, from 1 MiB on
    std::size_t ram_count = 0;
    MemoryRange manifest{0, 0}; // empty without a module
};

// `information` is the physical address that the loader passed.
[[nodiscard]] BootFacts read_multiboot(std::uint32_t information);

} // namespace bulkhead::hv
