// policy_check FILE.so VALUES [GoogleTest's options]: the properties that every policy of its kind has, for
// one policy that was built with sanitizers. VALUES are its parameters, separated by commas, in the order of
// its table. What a sanitizer finds ends the program, so `bulkhead check` runs one test at a time.
#include "tests/policy/kinds.hpp"
#include "tests/policy/plugin_file.hpp"

#include <charconv>
#include <dlfcn.h>
#include <iostream>
#include <string_view>

namespace bulkhead::policy_test {

namespace {

// The policy with the given values as its defaults.
class Subject {
  public:
    Subject(std::filesystem::path path, std::string_view values) : path_{std::move(path)} {
        library_.reset(::dlopen(std::filesystem::absolute(path_).c_str(), RTLD_NOW | RTLD_LOCAL),
                       [](void* opened) {
                           if (opened != nullptr)
                               ::dlclose(opened);
                       });
        const void* found =
            library_ == nullptr ? nullptr : ::dlsym(library_.get(), plugin::descriptor_symbol);
        if (found == nullptr)
            throw std::runtime_error{path_.string() + ": " + ::dlerror()};
        descriptor_ = *static_cast<const plugin::Descriptor*>(found);
        rows_.assign(descriptor_.parameters, descriptor_.parameters + descriptor_.parameter_count);
        for (plugin::Parameter& row : rows_) {
            const auto end = std::from_chars(values.begin(), values.end(), row.initial).ptr;
            values.remove_prefix(static_cast<std::size_t>(end - values.begin()));
            values.remove_prefix(values.empty() ? 0 : 1);
        }
        descriptor_.parameters = rows_.data();
    }
    [[nodiscard]] const std::filesystem::path& path() const { return path_; }
    [[nodiscard]] const std::shared_ptr<void>& library() const { return library_; }
    [[nodiscard]] const plugin::Descriptor& descriptor() const { return descriptor_; }

  private:
    std::filesystem::path path_;
    std::shared_ptr<void> library_;
    plugin::Descriptor descriptor_{};
    std::vector<plugin::Parameter> rows_;
};

std::unique_ptr<const Subject> subject;

} // namespace

std::vector<std::filesystem::path> files_of(plugin::Kind kind) {
    if (subject->descriptor().kind != kind)
        return {};
    return {subject->path()};
}

std::vector<std::filesystem::path> scheduler_files() { return files_of(plugin::Kind::scheduler); }

PluginFile opened(const std::filesystem::path&) {
    return PluginFile::in_place(subject->library(), subject->descriptor());
}

sim::Policy opened(plugin::Kind, const std::filesystem::path& path) { return opened(path).policy(); }

} // namespace bulkhead::policy_test

int main(int count, char** words) {
    using namespace bulkhead::policy_test;
    if (count < 3) {
        std::cerr << "usage: policy_check FILE.so VALUES [--gtest_...]\n";
        return 2;
    }
    subject = std::make_unique<const Subject>(words[1], words[2]);
    testing::InitGoogleTest(&count, words);
    return RUN_ALL_TESTS();
}
