// A guest that writes what it can find again: for what a disk keeps beyond the run.
#include "guest/runtime/block.hpp"
#include "guest/runtime/mark.hpp"
#include "guest/runtime/print.hpp"
#include "guest/runtime/start.hpp"
#include "workloads/workload.hpp"

namespace bulkhead::workload {
namespace {

using namespace bulkhead::guest;
using block_device::Buffer;
using block_device::Front;

constexpr Option write{"write", "1", "1",
                       "1: writes a pattern and flushes it, 0: reads, and compares with it"};
constexpr Option seed{"seed", "1", "1", "of the pattern"};
constexpr Option kib{"kib", "1", "64", "so much of the disk from its beginning"};
constexpr Option go_on{"go_on", "1", "0",
                       "1: writes the rest of the disk after that, again and again, unflushed"};
constexpr Option options_[] = {write, seed, kib, go_on};

constexpr std::uint32_t pages = block_device::most_segments;
constexpr std::uint32_t sectors = pages * page_bytes / block_device::sector_bytes; // of the buffer
constexpr std::uint32_t words_per_sector = block_device::sector_bytes / 8;

std::uint64_t word(std::uint64_t number) {
    const auto mixed = (number + 1 + seed.number()) * 0x9e3779b97f4a7c15;
    return mixed ^ mixed >> 29;
}

void carry_out(Front& front, const blkif_request& request) {
    const auto status = front.carry_out(request, milliseconds(60'000));
    if (!status || *status != BLKIF_RSP_OKAY)
        panic("disk_keep: request {} at sector {} failed with status {}", request.operation,
              static_cast<std::uint64_t>(request.sector_number),
              status ? static_cast<std::int64_t>(*status) : INT64_MIN);
}

// Words of the sectors that are not as they should be.
std::uint64_t transfer(Front& front, const Buffer& buffer, std::uint64_t first, std::uint64_t end) {
    auto* const words = reinterpret_cast<std::uint64_t*>(buffer.data());
    std::uint64_t wrong = 0;
    for (auto sector = first; sector < end && !over(); sector += sectors) {
        const auto count = static_cast<std::uint32_t>(end - sector < sectors ? end - sector : sectors);
        const auto number = sector * words_per_sector;
        for (std::uint64_t i = 0; i < count * words_per_sector; ++i)
            words[i] = write.number() != 0 ? word(number + i) : 0;
        const std::uint8_t operation = write.number() != 0 ? BLKIF_OP_WRITE : BLKIF_OP_READ;
        carry_out(front, buffer.request(operation, sector, sector, count));
        for (std::uint64_t i = 0; i < count * words_per_sector; ++i)
            wrong += words[i] != word(number + i) ? 1U : 0U;
    }
    return wrong;
}

void run() {
    auto front = Front::connect();
    const auto buffer = Buffer::make(pages);
    if (!front || !buffer)
        panic("disk_keep: this guest has no disk that can be used; give it one (disk=64M)");
    const auto kept = kib.number() * 1024 / block_device::sector_bytes;
    if (kept > front->sectors())
        panic("disk_keep: option kib: the disk has {} sectors only", front->sectors());
    const auto wrong = transfer(*front, *buffer, 0, kept);
    if (write.number() != 0) {
        blkif_request flush{};
        flush.operation = BLKIF_OP_FLUSH_DISKCACHE;
        carry_out(*front, flush);
    }
    mark(Mark::finished, wrong);
    print("RESULT name=disk_keep kib={} wrong={} sectors={}\n", kib.number(), wrong, front->sectors());
    while (go_on.number() != 0 && !over())
        static_cast<void>(transfer(*front, *buffer, kept, front->sectors()));
}

constexpr Workload disk_keep{Kind::victim, "disk_keep", "writes a pattern and flushes it, or looks for it",
                             options_, run};
BULKHEAD_WORKLOAD(disk_keep)

} // namespace
} // namespace bulkhead::workload
