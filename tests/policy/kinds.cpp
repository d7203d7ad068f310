#include "tests/policy/kinds.hpp"

#include <stdexcept>

namespace bulkhead::policy_test {

namespace {

std::filesystem::path folder_of(plugin::Kind kind) {
    return kind == plugin::Kind::memory ? BULKHEAD_MEMORY_FOLDER : BULKHEAD_RING_FOLDER;
}

} // namespace

std::vector<std::filesystem::path> files_of(plugin::Kind kind) {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator{folder_of(kind)})
        if (entry.path().extension() == ".so")
            files.push_back(entry.path());
    std::ranges::sort(files);
    return files;
}

sim::Policy opened(plugin::Kind kind, const std::filesystem::path& path) {
    auto file = sim::PluginFile::open(path, kind);
    if (!file)
        throw std::runtime_error{file.error()};
    return file->policy();
}

sim::Policy named(plugin::Kind kind, const std::string& name, std::vector<std::int64_t> values) {
    sim::Policy policy = opened(kind, folder_of(kind) / (name + ".so"));
    if (!values.empty())
        policy.values = std::move(values);
    return policy;
}

} // namespace bulkhead::policy_test
