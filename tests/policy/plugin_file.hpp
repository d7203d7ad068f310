// The plug-ins that the tests of this build drive.
#pragma once

#include "sim/plugin_file.hpp"

namespace bulkhead::policy_test {

using sim::PluginFile;

// The schedulers of this build, sorted by name.
[[nodiscard]] std::vector<std::filesystem::path> scheduler_files();
// One of them; throws std::runtime_error if it cannot be opened, for tests that name their policy.
[[nodiscard]] PluginFile scheduler(const std::string& name);

} // namespace bulkhead::policy_test
