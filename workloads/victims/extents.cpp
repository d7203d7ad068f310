// A victim that wants memory in extents of 2 MiB, as a guest with large pages does: it takes some, gives them
// back and takes them again. What it loses to others are extents, or time until it has one.
#include "guest/runtime/balloon.hpp"
#include "guest/runtime/clock.hpp"
#include "guest/runtime/mark.hpp"
#include "guest/runtime/print.hpp"
#include "workloads/workload.hpp"

#include <algorithm>
#include <array>

namespace bulkhead::workload {
namespace {

namespace balloon = guest::balloon;

constexpr std::size_t most = 64;
constexpr Option want{"want", "1", "4", "extents that it takes in a row, at most 64"};
constexpr Option pause_us{"pause_us", "us", "1000", "sleep after it gave all back"};
constexpr Option options_[] = {want, pause_us};

void run() {
    const std::size_t wanted = std::min<std::size_t>(want.number(), most);
    const Nanos pause = pause_us.microseconds();
    std::array<Mfn, most> extents{};
    std::uint64_t got = 0, refused = 0;
    guest::mark(guest::Mark::ready);
    while (!over()) {
        std::size_t has = 0;
        for (std::size_t i = 0; i < wanted && !over(); ++i) {
            const auto asked = guest::now();
            const auto extent = balloon::take_extent();
            const auto took = guest::now() - asked;
            if (extent)
                extents[has++] = *extent;
            guest::mark(guest::Mark::extent, extent ? static_cast<std::uint64_t>(took.count()) : 0);
            ++(extent ? got : refused);
        }
        for (std::size_t i = 0; i < has; ++i)
            balloon::give_extent_back(extents[i]);
        guest::sleep(pause);
    }
    guest::mark(guest::Mark::finished, got);
    guest::print("RESULT name=extents got={} refused={}\n", got, refused);
}

constexpr Workload extents{Kind::victim, "extents",
                           "takes extents of 2 MiB and gives them back, over and over", options_, run};
BULKHEAD_WORKLOAD(extents)

} // namespace
} // namespace bulkhead::workload
