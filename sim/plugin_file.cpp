#include "sim/plugin_file.hpp"

#include <dlfcn.h>

namespace bulkhead::sim {

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

std::vector<std::int64_t> PluginFile::domain_defaults() const {
    std::vector<std::int64_t> values;
    values.reserve(descriptor_->domain_parameter_count);
    for (std::uint64_t i = 0; i < descriptor_->domain_parameter_count; ++i)
        values.push_back(descriptor_->domain_parameters[i].initial);
    return values;
}

std::vector<std::int64_t> PluginFile::defaults() const {
    std::vector<std::int64_t> values;
    values.reserve(descriptor_->parameter_count);
    for (std::uint32_t i = 0; i < descriptor_->parameter_count; ++i)
        values.push_back(descriptor_->parameters[i].initial);
    return values;
}

} // namespace bulkhead::sim
