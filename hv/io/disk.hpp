// The disks that guests see. A modelled one is a part of the machine's one modelled drive, with its contents
// in memory that was set aside at boot; a real one is a virtio device of its own. A disk stays when its guest
// goes, and the next guest finds what was written.
#pragma once

#include "abi/types.hpp"

#include <cstddef>
#include <cstdint>

namespace bulkhead::hv {

struct BlockRing;

struct VirtualDisk {
    std::byte* contents = nullptr; // of a real one: none
    std::uint64_t sectors = 0;
    std::uint64_t first = 0; // its sector 0 among all disks of its kind
    bool read_only = false;
    std::uint8_t slot = 0;     // of a real one, on the PCI bus
    BlockRing* ring = nullptr; // while a guest is connected

    [[nodiscard]] bool is_real() const { return contents == nullptr; }
};

inline constexpr std::uint32_t max_disks = 1024;

// At boot, in the order of the manifest's table. `contents` stays in place.
void add_disk(std::byte* contents, std::uint64_t sectors, bool read_only);
void add_real_disk(std::uint8_t slot, std::uint64_t sectors, bool read_only);
// nullptr if there is none with that number.
[[nodiscard]] VirtualDisk* find_disk(std::uint64_t number);
// Of all modelled disks together: the drive's size.
[[nodiscard]] std::uint64_t sectors_of_all_disks();
[[nodiscard]] bool is_any_disk_real();

} // namespace bulkhead::hv
