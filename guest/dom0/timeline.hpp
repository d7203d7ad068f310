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
        ++taken_;
        return entry;
    }
    // How many were taken.
    [[nodiscard]] constexpr std::size_t taken() const { return taken_; }

    // Whether the machine is to stand still before anybody runs.
    [[nodiscard]] constexpr bool stops_first() const {
        return !left_.empty() && left_.front().action == manifest::Action::stop && left_.front().at == 0;
    }
    // Whether a guest is yet to be created, here or in what follows a stop.
    [[nodiscard]] constexpr bool will_create() const {
        for (const auto& entry : left_)
            if (entry.action == manifest::Action::create ||
                (entry.action == manifest::Action::stop && entry.argument != 0))
                return true;
        return false;
    }

  private:
    std::span<const manifest::TimelineEntry> left_;
    std::size_t taken_ = 0;
};

} // namespace bulkhead::dom0
