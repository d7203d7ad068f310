// The deadlines of one pCPU's vCPUs, nearest first: a heap whose entries know their place, so that any of
// them can be moved or taken out. It never owns what it holds.
#pragma once

#include "abi/types.hpp"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace bulkhead::sim {

// Base of what can be in a TimerQueue, in one at a time.
struct Deadline {
    RealTime at = RealTime::never();
    std::uint32_t order = 0; // decides between equal times; the same in every run
    std::int32_t place = -1;
    [[nodiscard]] bool armed() const { return place >= 0; }
};

class TimerQueue {
  public:
    [[nodiscard]] RealTime first() const { return heap_.empty() ? RealTime::never() : heap_.front().at; }

    void arm(Deadline& deadline, RealTime at) {
        if (!deadline.armed()) {
            deadline.at = at;
            heap_.emplace_back();
            return rise(heap_.size() - 1, {at, &deadline});
        }
        const bool earlier = at < deadline.at;
        deadline.at = at;
        const auto place = static_cast<std::size_t>(deadline.place);
        earlier ? rise(place, {at, &deadline}) : sink(place, {at, &deadline});
    }

    void cancel(Deadline& deadline) {
        if (!deadline.armed())
            return;
        const auto place = static_cast<std::size_t>(deadline.place);
        deadline.place = -1;
        const Entry last = heap_.back();
        heap_.pop_back();
        if (last.deadline == &deadline)
            return;
        if (place > 0 && before(last, heap_[(place - 1) / ways]))
            rise(place, last);
        else
            sink(place, last);
    }

    // The nearest one if it is due, taken out; else nullptr.
    Deadline* take_due(RealTime now) {
        if (first() > now)
            return nullptr;
        Deadline* due = heap_.front().deadline;
        cancel(*due);
        return due;
    }

  private:
    static constexpr std::size_t ways = 4;

    // The time beside the pointer: most comparisons look at nothing else.
    struct Entry {
        RealTime at{};
        Deadline* deadline = nullptr;
    };

    static bool before(const Entry& a, const Entry& b) {
        return a.at != b.at ? a.at < b.at : a.deadline->order < b.deadline->order;
    }
    void put(std::size_t place, const Entry& entry) {
        heap_[place] = entry;
        entry.deadline->place = static_cast<std::int32_t>(place);
    }
    void rise(std::size_t place, const Entry& entry) {
        while (place > 0 && before(entry, heap_[(place - 1) / ways])) {
            put(place, heap_[(place - 1) / ways]);
            place = (place - 1) / ways;
        }
        put(place, entry);
    }
    void sink(std::size_t place, const Entry& entry) {
        for (;;) {
            std::size_t least = place * ways + 1;
            if (least >= heap_.size())
                break;
            const std::size_t end = std::min(least + ways, heap_.size());
            for (std::size_t child = least + 1; child < end; ++child)
                if (before(heap_[child], heap_[least]))
                    least = child;
            if (!before(heap_[least], entry))
                break;
            put(place, heap_[least]);
            place = least;
        }
        put(place, entry);
    }

    std::vector<Entry> heap_;
};

} // namespace bulkhead::sim
