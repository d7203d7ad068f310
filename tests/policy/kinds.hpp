// The memory and ring plug-ins of this build, for the tests that drive them.
#pragma once

#include "sim/plugin_file.hpp"

#include <algorithm>
#include <filesystem>
#include <gtest/gtest.h>
#include <random>
#include <stdexcept>

namespace bulkhead::policy_test {

inline std::filesystem::path folder_of(plugin::Kind kind) {
    return kind == plugin::Kind::memory ? BULKHEAD_MEMORY_FOLDER : BULKHEAD_RING_FOLDER;
}

// All of a kind, sorted by name.
inline std::vector<std::filesystem::path> files_of(plugin::Kind kind) {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator{folder_of(kind)})
        if (entry.path().extension() == ".so")
            files.push_back(entry.path());
    std::ranges::sort(files);
    return files;
}

inline sim::Policy opened(plugin::Kind kind, const std::filesystem::path& path) {
    auto file = sim::PluginFile::open(path, kind);
    if (!file)
        throw std::runtime_error{file.error()};
    return file->policy();
}

// One by name, with parameters in the order of its table; none: the defaults.
inline sim::Policy named(plugin::Kind kind, const std::string& name, std::vector<std::int64_t> values = {}) {
    sim::Policy policy = opened(kind, folder_of(kind) / (name + ".so"));
    if (!values.empty())
        policy.values = std::move(values);
    return policy;
}

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
