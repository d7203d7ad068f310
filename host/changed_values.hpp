// Which parameters of a domain were changed while it ran, and to what. A change belongs to the parameter and
// not to the policy that was active: a policy that takes over finds those that it knows, too.
#pragma once

#include "abi/plugin.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <span>

namespace bulkhead::host {

// What became of a change of a domain's parameters. Nothing has changed unless all of it is `done`.
enum class Change : std::uint8_t {
    done,
    unknown,      // the active policy has no such parameter
    out_of_range, // of that parameter
    fixed,        // the active policy takes no changes (plugin::Trait)
    too_many,     // different parameters of this domain have changed before
};

[[nodiscard]] constexpr bool is_in_range(const plugin::Parameter& row, std::int64_t value) {
    return row.least <= value && value <= row.most;
}

// Parameters that a policy lets domains have.
[[nodiscard]] inline std::span<const plugin::Parameter> domain_rows(const plugin::Descriptor& policy) {
    return {policy.domain_parameters,
            std::min<std::size_t>(policy.domain_parameter_count, plugin::max_domain_parameters)};
}

class ChangedValues {
  public:
    static constexpr std::size_t most = 8;

    [[nodiscard]] std::optional<std::int64_t> find(std::uint64_t key) const {
        const auto known = std::span{keys_}.first(count_);
        const auto found = std::ranges::find(known, key);
        if (found == known.end())
            return std::nullopt;
        return values_[static_cast<std::size_t>(found - known.begin())];
    }
    [[nodiscard]] bool empty() const { return count_ == 0; }

    // False, and nothing is noted, if more than `most` different parameters would have changed.
    [[nodiscard]] bool note(const plugin::ValueChanges& changes) {
        ChangedValues next = *this;
        for (std::size_t i = 0; i < std::min<std::size_t>(changes.count, plugin::max_domain_parameters); ++i)
            if (!next.set(changes.keys[i], changes.values[i]))
                return false;
        *this = next;
        return true;
    }

  private:
    [[nodiscard]] bool set(std::uint64_t key, std::int64_t value) {
        const auto known = std::span{keys_}.first(count_);
        const auto place = static_cast<std::size_t>(std::ranges::find(known, key) - known.begin());
        if (place == most)
            return false;
        keys_[place] = key;
        values_[place] = value;
        count_ = std::max(count_, place + 1);
        return true;
    }

    std::size_t count_ = 0;
    std::array<std::uint64_t, most> keys_{};
    std::array<std::int64_t, most> values_{};
};

// What the policy says to changes, whichever domain they are for.
[[nodiscard]] inline Change judge(const plugin::Descriptor& policy, bool is_fixed,
                                  const plugin::ValueChanges& changes) {
    if (changes.count == 0 || changes.count > plugin::max_domain_parameters)
        return Change::unknown;
    for (std::size_t i = 0; i < changes.count; ++i) {
        const auto rows = domain_rows(policy);
        const auto row = std::ranges::find(rows, changes.keys[i], [](const plugin::Parameter& each) {
            return plugin::key_of(each.name, each.unit);
        });
        if (row == rows.end())
            return Change::unknown;
        if (!is_in_range(*row, changes.values[i]))
            return Change::out_of_range;
    }
    return is_fixed ? Change::fixed : Change::done;
}

} // namespace bulkhead::host
