// The information of the boot loader (Multiboot specification, version 0.6.96): the memory map, the manifest,
// which is the first module, and the others, which are contents of disks.
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
    static constexpr std::size_t most_modules = 64;
    std::array<MemoryRange, most_modules> modules{}; // the manifest's number is 0
    std::size_t module_count = 0;                    // further ones are left out
};

// `information` is the physical address that the loader passed.
[[nodiscard]] BootFacts read_multiboot(std::uint32_t information);

} // namespace bulkhead::hv
