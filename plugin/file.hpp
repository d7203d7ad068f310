// The one reader and judge of a policy's file, for the hypervisor's loader, the simulator, Python and the
// build's check: a file that one of them accepts all accept, and all refuse a file in the same words. The
// reader never runs, maps or trusts the file. Freestanding: no heap, no exceptions.
#pragma once

#include "abi/plugin.hpp"
#include "plugin/object.hpp"

#include <array>
#include <expected>
#include <optional>
#include <span>
#include <string_view>

namespace bulkhead::plugin {

inline constexpr std::uint64_t longest_name = 31; // of a policy and of a parameter
inline constexpr std::uint64_t longest_text = 4095;
inline constexpr std::uint32_t largest_policy = 64 << 10; // bytes of a policy's own object
inline constexpr std::uint32_t largest_object = 4096;     // of one per domain, vCPU, pCPU, ring or request

[[nodiscard]] constexpr std::string_view name_of(Kind kind) {
    switch (kind) {
    case Kind::scheduler:
        return "scheduler";
    case Kind::memory:
        return "memory policy";
    case Kind::ring:
        return "ring policy";
    }
    return {};
}

// A row of a parameter table. The texts lie in the file.
struct ParameterText {
    std::string_view name, unit, help;
    std::int64_t initial, least, most;
};

template<std::size_t most>
class ParameterTexts {
  public:
    [[nodiscard]] std::span<const ParameterText> rows() const { return {rows_.data(), count_}; }
    void add(const ParameterText& row) { rows_[count_++] = row; }

  private:
    std::array<ParameterText, most> rows_{};
    std::size_t count_ = 0;
};

// A file that every host takes: how to place it, and what it says about itself.
struct File {
    Object object;
    Kind kind{};
    std::uint32_t traits = 0;
    std::string_view name;
    std::string_view summary, good_at, bad_at, source; // empty if the policy has none
    ParameterTexts<max_parameters> parameters;
    ParameterTexts<max_domain_parameters> domain_parameters;
};

// Judges a whole file, which must outlive the answer; `wanted`: the kind of policy it must be.
[[nodiscard]] std::expected<File, Refusal> read_file(image::Bytes file, std::optional<Kind> wanted = {});

} // namespace bulkhead::plugin
