// What must hold of each frame by itself: the parts that audit() and its preemptible sister share.
#pragma once

#include "hv/mm/frame.hpp"

namespace bulkhead::hv {

enum class Report : std::uint8_t { print, count };

// Counts what was found, and prints the first few if asked to.
class Violations {
  public:
    constexpr explicit Violations(Report report) : report_{report} {}
    void expect(bool good, Mfn frame, const char* what) {
        if (!good) [[unlikely]]
            add(frame, what);
    }
    [[nodiscard]] std::uint64_t count() const { return count_; }

  private:
    void add(Mfn frame, const char* what);

    Report report_;
    std::uint64_t count_ = 0;
};

// RAM that has an owner; nullptr otherwise.
[[nodiscard]] Frame* find_owned(Mfn mfn);

// Everything about one frame but its counts and the entries of a table.
void check_frame(Violations& violations, const Frame& frame, Mfn mfn);
// Entries `first` to `last - 1`, which the table holds references for.
void check_entries(Violations& violations, const Frame& frame, Mfn mfn, unsigned first, unsigned last);

// Frames that were met, by their zones.
class InZones {
  public:
    void count(const Frame& frame) {
        if (frame.is_zoned())
            ++frames_[frame.zone() % max_zones];
    }
    // What is reserved of a cell does not count as free.
    void except(const Zones::Cell& cell) { frames_[cell.zone % max_zones] -= cell.reserved; }
    // They are a domain's, or all that are free.
    void check(Violations& violations, const DomainMemory& memory) const;
    void check_free(Violations& violations) const;

  private:
    std::uint64_t frames_[max_zones] = {};
};

} // namespace bulkhead::hv
