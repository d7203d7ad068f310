// A guest that reads or writes its disk, in any pattern: the victim of block I/O experiments.
#include "workloads/disk.hpp"

namespace bulkhead::workload {
namespace {

constexpr Option bytes{"bytes", "1", "4096", "size of a request, 512 to 131072"};
constexpr Option depth{"depth", "1", "1", "requests outstanding on each ring at most, 1 to 32"};
constexpr Option rings{"rings", "1", "1", "disks that are used at a time, xvda and those after it; 1 to 16"};
constexpr Option period_us{
    "period_us", "us", "0",
    "time from requests to the next ones, whatever became of earlier ones; 0: after each answer"};
constexpr Option burst{"burst", "1", "1", "requests that are due at one instant, if they have a period"};
constexpr Option phase_ns{"phase_ns", "ns", "0", "shift of all requests, if they have a period"};
constexpr Option sequential{"sequential", "1", "0", "1: each where the one before it ended, 0: anywhere"};
constexpr Option write{"write", "1", "0", "1: writes, 0: reads"};
constexpr Option work_us{"work_us", "us", "0", "CPU time for each answer, at 4 ns per instruction"};
constexpr Option flush{"flush", "1", "0", "after so many requests a flush follows; 0: none"};
constexpr Option discard{"discard", "1", "0",
                         "after so many requests a discard of the whole disk follows; 0: none"};
constexpr Option options_[] = {bytes,      depth, rings,   period_us, burst,  phase_ns,
                               sequential, write, work_us, flush,     discard};

void run() {
    use_disk("disk",
             {bytes, depth, rings, period_us, burst, phase_ns, sequential, write, work_us, flush, discard});
}

constexpr Workload disk_{Kind::victim, "disk", "reads or writes its disk, in any pattern", options_, run};
BULKHEAD_WORKLOAD(disk_)

} // namespace
} // namespace bulkhead::workload
