#include "tests/policy/plugin_file.hpp"

#include <algorithm>
#include <stdexcept>

namespace bulkhead::policy_test {

std::vector<std::filesystem::path> scheduler_files() {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator{BULKHEAD_SCHEDULER_FOLDER})
        if (entry.path().extension() == ".so")
            files.push_back(entry.path());
    std::ranges::sort(files);
    return files;
}

PluginFile opened(const std::filesystem::path& path) {
    auto file = PluginFile::open(path);
    if (!file)
        throw std::runtime_error{file.error()};
    return *file;
}

PluginFile scheduler(const std::string& name) {
    return opened(std::filesystem::path{BULKHEAD_SCHEDULER_FOLDER} / (name + ".so"));
}

} // namespace bulkhead::policy_test
