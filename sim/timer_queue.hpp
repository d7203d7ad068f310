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
    [[nodiscard]] RealTime first() const { return heap_.empty() ? RealTime::never() : heap_.front()->at; }

    void arm(Deadline& deadline, RealTime at) {
        if (!deadline.armed()) {
            deadline.at = at;
            heap_.push_back(&deadline);
            return rise(heap_.size() - 1, &deadline);
        }
        const bool earlier = at < deadline.at;
        deadline.at = at;
        const auto place = static_cast<std::size_t>(deadline.place);
        earlier ? rise(place, &deadline) : sink(place, &deadline);
    }

    void cancel(Deadline& deadline) {
        if (!deadline.armed())
            return;
        const auto place = static_cast<std::size_t>(deadline.place);
        deadline.place = -1;
        Deadline* last = heap_.back();
        heap_.pop_back();
        if (last == &deadline)
            return;
        rise(place, last);
        sink(static_cast<std::size_t>(last->place), last);
    }

    // The nearest one if it is due, taken out; else nullptr.
    Deadline* take_due(RealTime now) {
        if (first() > now)
            return nullptr;
        Deadline* due = heap_.front();
        cancel(*due);
        return due;
    }

  private:
    static constexpr std::size_t ways = 4;

    static bool before(const Deadline* a, const Deadline* b) {
        return a->at != b->at ? a->at < b->at : a->order < b->order;
    }
    void put(std::size_t place, Deadline* deadline) {
        heap_[place] = deadline;
        deadline->place = static_cast<std::int32_t>(place);
    }
    void rise(std::size_t place, Deadline* deadline) {
        while (place > 0 && before(deadline, heap_[(place - 1) / ways])) {
            put(place, heap_[(place - 1) / ways]);
            place = (place - 1) / ways;
        }
        put(place, deadline);
    }
    void sink(std::size_t place, Deadline* deadline) {
        for (;;) {
            std::size_t least = place * ways + 1;
            if (least >= heap_.size())
                break;
            const std::size_t end = std::min(least + ways, heap_.size());
            for (std::size_t child = least + 1; child < end; ++child)
                if (before(heap_[child], heap_[least]))
                    least = child;
            if (!before(heap_[least], deadline))
                break;
            put(place, heap_[least]);
            place = least;
        }
        put(place, deadline);
    }

    std::vector<Deadline*> heap_;
};

} // namespace bulkhead::sim
