// The plug-ins that the tests of this build drive.
#pragma once

#include "sim/plugin_file.hpp"

namespace bulkhead::policy_test {

using sim::PluginFile;

// The schedulers that this program is about, sorted by name: those of the build, or a single one.
[[nodiscard]] std::vector<std::filesystem::path> scheduler_files();
// One of those; throws std::runtime_error if it cannot be opened.
[[nodiscard]] PluginFile opened(const std::filesystem::path& path);
// One of them; throws std::runtime_error if it cannot be opened, for tests that name their policy.
[[nodiscard]] PluginFile scheduler(const std::string& name);

} // namespace bulkhead::policy_test
