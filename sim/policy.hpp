// What a simulated host keeps for a policy of any kind: where it comes from, its parameters, its arena, its
// random numbers, and the report of what became of it. Never calls a hook.
#pragma once

#include "abi/landmark.hpp"
#include "abi/plugin.hpp"

#include <algorithm>
#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <stdexcept>
#include <vector>

namespace bulkhead::sim {

// What a policy did wrong; thrown only by a host that is told not to eject.
struct Misconduct : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// A descriptor, and whatever must live as long as it is used (an open file, a Python class).
struct Policy {
    const plugin::Descriptor* descriptor = nullptr;
    std::shared_ptr<const void> keep;
    std::vector<std::int64_t> values; // effective parameters, in the table's order
    // Called when another takes over, before anything that the policy was told of goes.
    std::function<void()> retire{};

    [[nodiscard]] static std::vector<std::int64_t> defaults(const plugin::Descriptor& descriptor) {
        std::vector<std::int64_t> values;
        for (const plugin::Parameter& row : std::span{descriptor.parameters, descriptor.parameter_count})
            values.push_back(row.initial);
        return values;
    }
};

// The bounded memory behind plugin::Host::allocate.
class Arena {
  public:
    static constexpr std::size_t bytes = 64 << 20; // the hypervisor's is bounded as well

    [[nodiscard]] void* allocate(std::size_t size, std::size_t alignment) {
        const std::size_t whole = size + alignment;
        if (whole > left_)
            return nullptr;
        left_ -= whole;
        std::size_t space = whole;
        void* memory = pieces_.emplace_back(std::make_unique<std::byte[]>(whole)).get();
        return std::align(alignment, size, memory, space);
    }

  private:
    std::vector<std::unique_ptr<std::byte[]>> pieces_;
    std::size_t left_ = bytes;
};

// Uniform 64 bits from a seed: S. Vigna's splitmix64, 2015.
inline std::uint64_t splitmix(std::uint64_t& state) {
    std::uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

// As much of a text as fits, with a zero behind it.
template<std::size_t size>
void copy_text(char (&to)[size], const char* from) {
    std::strncpy(to, from, size - 1);
    to[size - 1] = '\0';
}

// Names the policy in a report. Whoever was ejected stays named: then this is not called.
inline void describe(landmark::PolicyReport& report, const Policy& policy) {
    copy_text(report.name, policy.descriptor->name);
    report.kind = static_cast<std::uint32_t>(policy.descriptor->kind);
    report.parameter_count =
        std::min<std::uint32_t>(policy.descriptor->parameter_count, plugin::max_parameters);
    std::ranges::copy_n(policy.values.begin(),
                        static_cast<std::ptrdiff_t>(std::min(policy.values.size(), plugin::max_parameters)),
                        report.parameters);
}

} // namespace bulkhead::sim
