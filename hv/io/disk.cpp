#include "hv/io/disk.hpp"

#include "hv/base/machine.hpp"

namespace bulkhead::hv {

namespace {
constinit VirtualDisk disks[max_disks]{};
constinit std::uint32_t disk_count = 0;
constinit std::uint64_t used_sectors = 0;
} // namespace

void add_disk(std::byte* contents, std::uint64_t sectors, bool read_only) {
    if (disk_count == max_disks)
        machine::panic("the manifest has too many disks: at most 1024");
    disks[disk_count++] = {
        .contents = contents, .sectors = sectors, .first = used_sectors, .read_only = read_only};
    used_sectors += sectors;
}

VirtualDisk* find_disk(std::uint64_t number) { return number < disk_count ? &disks[number] : nullptr; }

std::uint64_t sectors_of_all_disks() { return used_sectors; }

} // namespace bulkhead::hv
