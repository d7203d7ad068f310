// What to do when: a cursor over the manifest's timeline. Pure: time is an argument.
#pragma once

#include "abi/manifest.hpp"

#include <optional>
#include <span>

namespace bulkhead::dom0 {

class Timeline {
  public:
    constexpr Timeline() = default;
    // `entries` are sorted by time; those of one instant happen in their order.
    constexpr explicit Timeline(std::span<const manifest::TimelineEntry> entries) : left_{entries} {}

    // Time since the run's start at which something is to be done next.
    [[nodiscard]] constexpr std::optional<Nanos> next() const {
        if (left_.empty())
            return std::nullopt;
        return Nanos{left_.front().at};
    }

    // Takes the first entry that is due at `elapsed`, or nothing. Late entries are taken, never dropped.
    constexpr std::optional<manifest::TimelineEntry> take_due(Nanos elapsed) {
        if (left_.empty() || left_.front().at > elapsed.count())
            return std::nullopt;
        const auto entry = left_.front();
        left_ = left_.subspan(1);
        return entry;
    }

    // Whether a guest is yet to be created.
    [[nodiscard]] constexpr bool will_create() const {
        for (const auto& entry : left_)
            if (entry.action == manifest::Action::create)
                return true;
        return false;
    }
    // Whether this guest's first birth is on the timeline, so that it is not built at the start.
    [[nodiscard]] constexpr bool creates(std::size_t guest) const {
        for (const auto& entry : left_)
            if (entry.action == manifest::Action::create && entry.target == guest)
                return true;
        return false;
    }

  private:
    std::span<const manifest::TimelineEntry> left_;
};

} // namespace bulkhead::dom0
