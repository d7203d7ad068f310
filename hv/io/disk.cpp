#include "hv/io/disk.hpp"

#include "hv/base/machine.hpp"

namespace bulkhead::hv {

namespace {
constinit VirtualDisk disks[max_disks]{};
constinit std::uint32_t disk_count = 0;
constinit std::uint64_t used_sectors = 0, real_sectors = 0;

VirtualDisk& next_disk() {
    if (disk_count == max_disks)
        machine::panic("the manifest has too many disks: at most 1024");
    return disks[disk_count++];
}

} // namespace

void add_disk(std::byte* contents, std::uint64_t sectors, bool read_only) {
    next_disk() = {.contents = contents, .sectors = sectors, .first = used_sectors, .read_only = read_only};
    used_sectors += sectors;
}

void add_real_disk(std::uint8_t slot, std::uint64_t sectors, bool read_only) {
    next_disk() = {.sectors = sectors, .first = real_sectors, .read_only = read_only, .slot = slot};
    real_sectors += sectors;
}

VirtualDisk* find_disk(std::uint64_t number) { return number < disk_count ? &disks[number] : nullptr; }

std::uint64_t sectors_of_all_disks() { return used_sectors; }

bool is_any_disk_real() { return real_sectors > 0; }

} // namespace bulkhead::hv
