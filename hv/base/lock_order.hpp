// The order in which locks are taken, asserted in debug builds: a lock only after those of smaller rank.
#pragma once

#include <cstdint>

#ifdef BULKHEAD_LOCK_ORDER
#include "abi/landmark.hpp"
#include "hv/base/machine.hpp"

#include <array>
#endif

namespace bulkhead::hv {

// docs/decisions/0007-locks.md says what each protects.
enum class Rank : std::uint8_t {
    control,
    drive,
    grants,
    tables,
    bindings,
    memory_policy,
    run,
    console,
    ports,
    domains,
    free_frames,
    shoot_down,
    trace,
    end
};

namespace lock_order {

#ifdef BULKHEAD_LOCK_ORDER

struct Held {
    std::array<std::uint8_t, static_cast<std::size_t>(Rank::end)> count{};
};
inline constinit std::array<Held, landmark::max_pcpus> held{};

// A test's, told when a lock was taken and given up.
using Observer = void (*)(Rank, bool taken);
inline constinit Observer observer = nullptr;

[[nodiscard]] inline Held& mine() { return held[machine::this_pcpu().value()]; }

// Of this rank at most `same` are held, and of greater ones none.
inline void expect_none_above(Rank rank, unsigned same) {
    const auto first = static_cast<std::size_t>(rank);
    for (auto i = first; i < mine().count.size(); ++i)
        if (mine().count[i] > (i == first ? same : 0))
            machine::panic("locks are taken out of order");
}

inline void enter(Rank rank) {
    expect_none_above(rank, 0);
    ++mine().count[static_cast<std::size_t>(rank)];
}
inline void enter_second(Rank rank) {
    expect_none_above(rank, 1);
    ++mine().count[static_cast<std::size_t>(rank)];
}
inline void taken(Rank rank) {
    if (observer != nullptr)
        observer(rank, true);
}
inline void leave(Rank rank) {
    --mine().count[static_cast<std::size_t>(rank)];
    if (observer != nullptr)
        observer(rank, false);
}

#else

inline void enter(Rank) {}
inline void enter_second(Rank) {}
inline void taken(Rank) {}
inline void leave(Rank) {}

#endif

} // namespace lock_order
} // namespace bulkhead::hv
