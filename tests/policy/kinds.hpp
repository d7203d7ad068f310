// The memory and ring plug-ins that tests drive.
#pragma once

#include "sim/plugin_file.hpp"

#include <algorithm>
#include <filesystem>
#include <gtest/gtest.h>
#include <random>

namespace bulkhead::policy_test {

// Those of a kind that this program is about, sorted by name: those of the build, or a single one.
[[nodiscard]] std::vector<std::filesystem::path> files_of(plugin::Kind kind);
// One of those; throws std::runtime_error if it cannot be opened.
[[nodiscard]] sim::Policy opened(plugin::Kind kind, const std::filesystem::path& path);
// One of the build by name, with parameters in the order of its table; none: the defaults.
[[nodiscard]] sim::Policy named(plugin::Kind kind, const std::string& name,
                                std::vector<std::int64_t> values = {});

inline bool has(const sim::Policy& policy, plugin::Trait trait) {
    return (policy.descriptor->traits & static_cast<std::uint32_t>(trait)) != 0;
}

// Whole numbers that a seed decides, the same with every library.
class Chance {
  public:
    explicit Chance(std::uint64_t seed) : engine_{seed} {}
    std::int64_t draw(std::int64_t least, std::int64_t most) {
        return least + static_cast<std::int64_t>(engine_() % static_cast<std::uint64_t>(most - least + 1));
    }

  private:
    std::mt19937_64 engine_;
};

// Any values that the policy's table allows, or the defaults.
inline void draw_parameters(sim::Policy& policy, Chance& chance) {
    if (has(policy, plugin::Trait::misbehaves))
        return;
    for (std::size_t i = 0; i < policy.values.size() && chance.draw(0, 1) == 0; ++i)
        policy.values[i] =
            chance.draw(policy.descriptor->parameters[i].least, policy.descriptor->parameters[i].most);
}

// Values of a domain's own parameters, any that the table allows, up to `most`; or the defaults.
inline std::vector<std::int64_t> draw_domain_values(const sim::Policy& policy, Chance& chance,
                                                    std::int64_t most) {
    std::vector<std::int64_t> values;
    for (std::size_t i = 0; i < policy.descriptor->domain_parameter_count; ++i) {
        const plugin::Parameter& row = policy.descriptor->domain_parameters[i];
        values.push_back(chance.draw(0, 1) == 0 ? row.initial
                                                : chance.draw(row.least, std::min(row.most, most)));
    }
    return values;
}

inline std::string test_name_of(const testing::TestParamInfo<std::filesystem::path>& info) {
    return info.param.stem().string();
}

} // namespace bulkhead::policy_test
