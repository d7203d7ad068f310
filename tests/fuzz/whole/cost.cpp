#include "tests/fuzz/whole/cost.hpp"

#include "hv/base/lock.hpp"
#include "hv/base/machine.hpp"
#include "tests/fuzz/whole/pcpus.hpp"
#include "tests/fuzz/whole/processor.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace bulkhead::hv::whole {

namespace {

constexpr auto ranks = static_cast<std::size_t>(Rank::end);
std::array<std::array<std::uint64_t, ranks>, most_pcpus> taken_at{};
std::array<std::uint64_t, ranks> longest_held{};
std::uint64_t longest_hook_seen = 0;

void observe(Rank rank, bool taken) {
    const auto self = machine::this_pcpu().value();
    const auto number = static_cast<std::size_t>(rank);
    if (self >= most_pcpus || rank == Rank::control)
        return;
    const auto now = own_blocks(self); // smaller than before if the pCPU has only waited since then
    auto& since = taken_at[self][number];
    if (taken)
        since = now;
    else
        longest_held[number] = std::max(longest_held[number], now - std::min(now, since));
}

} // namespace

void watch_locks() {
    longest_held = {};
    longest_hook_seen = 0;
    lock_order::observer = observe;
}

void note_hook(std::uint64_t count) { longest_hook_seen = std::max(longest_hook_seen, count); }

std::string what_took_too_long() {
    for (std::size_t rank = 0; rank < ranks; ++rank) {
        const auto most = rank == static_cast<std::size_t>(Rank::drive) ? longest_drive_hold : longest_hold;
        if (const auto held = std::exchange(longest_held[rank], 0); held > most)
            return "a lock of rank " + std::to_string(rank) + " was held for " + std::to_string(held) +
                   " blocks";
    }
    if (const auto took = std::exchange(longest_hook_seen, 0); took > longest_hook)
        return "a hook of the fallback took " + std::to_string(took) + " blocks";
    return {};
}

} // namespace bulkhead::hv::whole
