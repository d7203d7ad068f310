#include "tests/policy/plugin_file.hpp"

#include <algorithm>
#include <dlfcn.h>
#include <stdexcept>

namespace bulkhead::policy_test {

std::expected<PluginFile, std::string> PluginFile::open(const std::filesystem::path& path) {
    void* handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr)
        return std::unexpected{std::string{::dlerror()}};
    std::shared_ptr<void> library{handle, [](void* opened) { ::dlclose(opened); }};
    const auto* descriptor =
        static_cast<const plugin::Descriptor*>(::dlsym(handle, plugin::descriptor_symbol));
    if (descriptor == nullptr)
        return std::unexpected{path.string() + " exports no " + plugin::descriptor_symbol};
    if (descriptor->magic != plugin::magic)
        return std::unexpected{path.string() + " is no Bulkhead plug-in"};
    if (descriptor->abi_version != plugin::abi_version)
        return std::unexpected{path.string() + " was built for another plug-in ABI: rebuild it"};
    if (descriptor->kind != plugin::Kind::scheduler)
        return std::unexpected{path.string() + " is no scheduler"};
    return PluginFile{std::move(library), *descriptor};
}

std::vector<std::int64_t> PluginFile::defaults() const {
    std::vector<std::int64_t> values;
    for (std::uint32_t i = 0; i < descriptor_->parameter_count; ++i)
        values.push_back(descriptor_->parameters[i].initial);
    return values;
}

std::vector<std::filesystem::path> scheduler_files() {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator{BULKHEAD_SCHEDULER_FOLDER})
        if (entry.path().extension() == ".so")
            files.push_back(entry.path());
    std::ranges::sort(files);
    return files;
}

PluginFile scheduler(const std::string& name) {
    auto file = PluginFile::open(std::filesystem::path{BULKHEAD_SCHEDULER_FOLDER} / (name + ".so"));
    if (!file)
        throw std::runtime_error{file.error()};
    return *file;
}

} // namespace bulkhead::policy_test
