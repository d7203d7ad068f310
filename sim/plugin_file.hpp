// A policy's file: judged by plugin/file, as in the hypervisor, then opened with dlopen and made read only.
#pragma once

#include "sched/contract.hpp"
#include "sim/policy.hpp"

#include <expected>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace bulkhead::sim {

class PluginFile {
  public:
    [[nodiscard]] static std::expected<PluginFile, std::string>
    open(const std::filesystem::path& path, plugin::Kind kind = plugin::Kind::scheduler);
    // One that is in place already, and is neither judged nor protected; `library` keeps it there.
    [[nodiscard]] static PluginFile in_place(std::shared_ptr<void> library,
                                             const plugin::Descriptor& descriptor) {
        return {std::move(library), descriptor};
    }
    [[nodiscard]] const plugin::Descriptor& descriptor() const { return *descriptor_; }
    [[nodiscard]] const sched::Hooks& hooks() const {
        return *static_cast<const sched::Hooks*>(descriptor_->hooks);
    }
    [[nodiscard]] std::string name() const { return descriptor_->name; }
    // Every parameter's initial value, in the table's order.
    [[nodiscard]] std::vector<std::int64_t> defaults() const;
    [[nodiscard]] std::vector<std::int64_t> domain_defaults() const;
    // The policy with its default parameters; it keeps the file open.
    [[nodiscard]] Policy policy() const;
    [[nodiscard]] bool has(plugin::Trait trait) const {
        return (descriptor_->traits & static_cast<std::uint32_t>(trait)) != 0;
    }

  private:
    PluginFile(std::shared_ptr<void> library, const plugin::Descriptor& descriptor)
        : library_{std::move(library)}, descriptor_{&descriptor} {}
    std::shared_ptr<void> library_; // closed with the last copy
    const plugin::Descriptor* descriptor_;
};

} // namespace bulkhead::sim
