// Operations of guests and of domain 0 that allocate, each on a fresh machine of three guests, for
// whole_exhaustion.
#pragma once

#include "tests/fuzz/whole/script_guest.hpp"

#include <memory>
#include <span>
#include <vector>

namespace bulkhead::hv::whole {

inline constexpr std::uint32_t guests = 3;

struct Scene {
    Script script{guests, true, 2};
    std::uint16_t built = 0;             // the domain that domain 0 created last
    std::vector<std::uint64_t> memory{}; // its frames
    std::unique_ptr<Guest> guest{};      // with a front end
};

struct Case {
    const char* name;
    void (*prepare)(Scene& scene);
    // 0, or an error as a call answers it.
    std::int64_t (*perform)(Scene& scene);
    bool keeps_part = false; // what was done before the failure stays
    // It succeeds in spite of so many failures, each by itself, at most.
    unsigned tolerates = 0;
};

[[nodiscard]] std::span<const Case> exhaustion_cases();

} // namespace bulkhead::hv::whole
