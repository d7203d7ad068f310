// A number of frames in use, estimated from samples, that stays where it is while chance explains what the
// samples show: targets that follow each sample swing though nothing changes.
#pragma once

#include "memctl/contract.hpp"

#include <algorithm>
#include <utility>

namespace bulkhead::memctl {

class Estimate {
  public:
    // Of `looked_at` frames, drawn at random from the `has` of a domain, `used` were used.
    void see(Frames has, Frames looked_at, Frames used) {
        const std::int64_t all = has.count() * scale;
        const std::int64_t found = all * used.count() / looked_at.count();
        if (!std::exchange(begun_, true))
            return static_cast<void>(held_ = mean_ = found);
        mean_ += (found - mean_) / weight;
        // A sample's variance is p (1 - p) / n of all frames squared, that of the mean 1 / (2 weight - 1) of
        // it. p keeps a distance from 0 and 1, so that samples without any exception are not certain.
        const std::int64_t one = all / (looked_at.count() + 1), part = std::clamp(mean_, one, all - one);
        const std::int64_t moved = mean_ - held_;
        if (moved * moved >
            deviations * deviations * part / (2 * weight - 1) * ((all - part) / looked_at.count()))
            held_ = mean_;
    }
    // Of the last samples; they reach back about 16.
    [[nodiscard]] Frames frames() const { return Frames{held_ / scale}; }

  private:
    static constexpr std::int64_t scale = 16, weight = 8;
    static constexpr std::int64_t deviations = 5; // a false alarm in a million looks

    bool begun_ = false;
    std::int64_t mean_ = 0, held_ = 0; // in 1/16 of a frame
};

} // namespace bulkhead::memctl
