#include "sim/model_file.hpp"

#include "sim/file_bytes.hpp"

#include <algorithm>
#include <dlfcn.h>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

namespace bulkhead::sim {

namespace {

// A copy in memory as a file of its own, since a library that is open is not opened again although its file
// has changed. -1 if there is none.
int copy_of(const std::vector<char>& bytes) {
    const int copy = ::memfd_create("bulkhead-model", MFD_CLOEXEC);
    for (std::size_t done = 0; copy >= 0 && done < bytes.size();) {
        const auto written = ::write(copy, bytes.data() + done, bytes.size() - done);
        if (written <= 0) {
            ::close(copy);
            return -1;
        }
        done += static_cast<std::size_t>(written);
    }
    return copy;
}

bool fits(const ModelExport& exported) {
    const ModelExport expected{};
    return exported.version == expected.version && std::ranges::equal(exported.sizes, expected.sizes);
}

} // namespace

std::expected<std::shared_ptr<const ModelFile>, std::string>
ModelFile::open(const std::filesystem::path& path) {
    const auto refuse = [&path](std::string_view why) {
        return std::unexpected{path.string().append(": ").append(why)};
    };
    const auto bytes = bytes_of(path);
    if (!bytes)
        return refuse(unreadable);
    const int copy = copy_of(*bytes);
    if (copy < 0)
        return refuse("memory is too short for a copy of the file");
    void* library = ::dlopen(("/proc/self/fd/" + std::to_string(copy)).c_str(), RTLD_NOW | RTLD_LOCAL);
    std::shared_ptr<ModelFile> made{new ModelFile{library, copy}};
    if (library == nullptr)
        return refuse("the file is not a model; build it with bulkhead-plugin");
    const auto* const exported = static_cast<const ModelExport*>(::dlsym(library, "bulkhead_model"));
    if (exported == nullptr)
        return refuse("the file has no model; register one with BULKHEAD_MODEL");
    if (!fits(*exported))
        return refuse(
            "the model was built with another version of Bulkhead; build it again with bulkhead-plugin");
    made->model_ = exported->model;
    return made;
}

// The copy's name may be that of a later copy once it is closed: the library goes first.
ModelFile::~ModelFile() {
    if (library_ != nullptr)
        ::dlclose(library_);
    ::close(copy_);
}

} // namespace bulkhead::sim
