// What the simulator knows of a policy of any kind: where it comes from and its parameters. Never calls a
// hook.
#pragma once

#include "abi/plugin.hpp"

#include <functional>
#include <memory>
#include <span>
#include <stdexcept>
#include <vector>

namespace bulkhead::sim {

// What a policy did wrong; thrown only by a host that is told not to eject.
struct Misconduct : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// A descriptor, and whatever must live as long as it is used (an open file, a Python class).
struct Policy {
    const plugin::Descriptor* descriptor = nullptr;
    std::shared_ptr<const void> keep;
    std::vector<std::int64_t> values; // effective parameters, in the table's order
    // Called when another takes over, before anything that the policy was told of goes.
    std::function<void()> retire{};

    [[nodiscard]] static std::vector<std::int64_t> defaults(const plugin::Descriptor& descriptor) {
        std::vector<std::int64_t> values;
        for (const plugin::Parameter& row : std::span{descriptor.parameters, descriptor.parameter_count})
            values.push_back(row.initial);
        return values;
    }
};

} // namespace bulkhead::sim
