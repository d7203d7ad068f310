#include "sim/plugin_file.hpp"

#include "plugin/file.hpp"
#include "sim/file_bytes.hpp"

#include <cstring>
#include <dlfcn.h>
#include <link.h>
#include <sys/mman.h>

namespace bulkhead::sim {

namespace {

// Where the linker has placed the object.
std::byte* base_of(void* library) {
    link_map* map = nullptr;
    if (::dlinfo(library, RTLD_DI_LINKMAP, static_cast<void*>(&map)) != 0)
        return nullptr;
    return reinterpret_cast<std::byte*>(map->l_addr);
}

// Is this the file that was judged? A library that is already open is not opened again, although its file has
// changed.
bool is_placed_at(const std::byte* base, const plugin::Object& object) {
    for (const auto* segment : {&object.constants(), &object.code()})
        if (std::memcmp(base + segment->address, segment->contents.data(), segment->contents.size()) != 0)
            return false;
    return true;
}

// As in the hypervisor, where a policy that writes to its constants faults.
bool protect(std::byte* base, const plugin::Object& object) {
    const auto bytes = object.image_bytes() - object.relocated().address;
    return ::mprotect(base + object.relocated().address, bytes, PROT_READ) == 0;
}

} // namespace

std::expected<PluginFile, std::string> PluginFile::open(const std::filesystem::path& path,
                                                        plugin::Kind kind) {
    const auto refuse = [&path](std::string_view why) {
        return std::unexpected{path.string().append(": ").append(why)};
    };
    const auto bytes = bytes_of(path);
    if (!bytes)
        return refuse(unreadable);
    const auto file = plugin::read_file(std::as_bytes(std::span{*bytes}), kind);
    if (!file)
        return refuse(plugin::sentence(file.error()).view());
    // Without a slash dlopen would look elsewhere.
    void* handle = ::dlopen(std::filesystem::absolute(path).c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr)
        return refuse(std::string{"this computer cannot place the policy: "} + ::dlerror());
    std::shared_ptr<void> library{handle, [](void* opened) { ::dlclose(opened); }};
    std::byte* base = base_of(handle);
    if (base == nullptr || !is_placed_at(base, file->object))
        return refuse("the file changed while it was in use; give the changed policy another name");
    if (!protect(base, file->object))
        return refuse("the policy's constants cannot be protected against writing");
    return PluginFile{std::move(library),
                      *reinterpret_cast<const plugin::Descriptor*>(base + file->object.descriptor())};
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
