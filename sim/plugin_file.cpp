#include "sim/plugin_file.hpp"

#include <dlfcn.h>

namespace bulkhead::sim {

namespace {

constexpr const char* name_of(plugin::Kind kind) {
    switch (kind) {
    case plugin::Kind::scheduler:
        return "scheduler";
    case plugin::Kind::memory:
        return "memory policy";
    case plugin::Kind::ring:
        return "ring policy";
    }
    return "policy of a known kind";
}

} // namespace

std::expected<PluginFile, std::string> PluginFile::open(const std::filesystem::path& path,
                                                        plugin::Kind kind) {
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
    if (descriptor->kind != kind)
        return std::unexpected{path.string() + " is no " + name_of(kind)};
    return PluginFile{std::move(library), *descriptor};
}

std::vector<std::int64_t> PluginFile::domain_defaults() const {
    std::vector<std::int64_t> values;
    values.reserve(descriptor_->domain_parameter_count);
    for (std::uint64_t i = 0; i < descriptor_->domain_parameter_count; ++i)
        values.push_back(descriptor_->domain_parameters[i].initial);
    return values;
}

std::vector<std::int64_t> PluginFile::defaults() const { return Policy::defaults(*descriptor_); }

Policy PluginFile::policy() const { return {descriptor_, library_, defaults()}; }

} // namespace bulkhead::sim
