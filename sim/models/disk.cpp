// Guests that do nothing but block I/O: a reader of any pattern, and the attack that fills the queue.
#include "sim/model.hpp"
#include "workloads/random.hpp"

#include <algorithm>
#include <stdexcept>
#include <vector>

namespace bulkhead::sim {

using guest::Mark;

namespace {

constexpr std::int64_t most_rings = 16; // as many disks as a guest may have

// Where and how large the next request is.
class Stream {
  public:
    Stream(const ModelSetup& setup, std::uint64_t sectors)
        : bytes_{static_cast<std::uint32_t>(setup.number("bytes"))},
          operation_{setup.number("write") != 0 ? ringctl::Operation::write : ringctl::Operation::read},
          sequential_{setup.number("sequential") != 0}, flush_{setup.number("flush")},
          discard_{setup.number("discard")}, discarded_{static_cast<std::uint32_t>(std::min<std::uint64_t>(
                                                 sectors * ringctl::sector_bytes, most_discarded))},
          chance_{setup.id().value()} {
        if (flush_ < 0)
            throw std::invalid_argument{"option flush: write 0 or more"};
        if (discard_ < 0)
            throw std::invalid_argument{"option discard: write 0 or more"};
        if (setup.number("bytes") < ringctl::sector_bytes || setup.number("bytes") > largest)
            throw std::invalid_argument{"option bytes: write 512 to 1048576"};
        step_ = GuestDisk::sectors_of(bytes_);
        places_ = sectors / step_;
        place_ = chance_.next() % places_;
    }
    GuestDisk::Request next() {
        const auto number = sent_++;
        if (flush_ != 0 && number % (flush_ + 1) == flush_)
            return {ringctl::Operation::flush, 0, 0};
        if (discard_ != 0 && number % (discard_ + 1) == discard_)
            return {ringctl::Operation::discard, 0, discarded_};
        place_ = sequential_ ? (place_ + 1) % places_ : chance_.next() % places_;
        return {operation_, place_ * step_, bytes_};
    }

  private:
    static constexpr std::int64_t largest = 1 << 20;
    static constexpr std::uint64_t most_discarded = 128 * 1'024; // by one request, as in the hypervisor
    std::uint32_t bytes_;
    ringctl::Operation operation_;
    bool sequential_;
    std::int64_t flush_;      // requests between two flushes; 0: there are none
    std::int64_t discard_;    // or between two discards
    std::uint32_t discarded_; // bytes that a discard of the whole disk clears
    std::int64_t sent_ = 0;   // with those
    workload::Random chance_; // the guest's own places
    std::uint64_t step_ = 0, places_ = 0, place_ = 0;
};

} // namespace

// With a period, `burst` requests at a time are due on a timetable whatever became of earlier ones (open
// loop); without, `depth` of them are always outstanding on each ring. Marks: deadline and request_sent,
// reply_received, and operations: the answers so far.
Program disk(Guest& me, ModelSetup setup) {
    const RealTime ends = setup.ends(me.now());
    const Nanos period = setup.microseconds("period_us"), work = setup.microseconds("work_us");
    if (setup.number("rings") < 1 || setup.number("rings") > most_rings)
        throw std::invalid_argument{"option rings: write 1 to " + std::to_string(most_rings)};
    if (setup.number("burst") < 1)
        throw std::invalid_argument{"option burst: write 1 or more"};
    if (setup.number("depth") < 1 || setup.number("depth") > ringctl::most_queued)
        throw std::invalid_argument{"option depth: write 1 to " + std::to_string(ringctl::most_queued)};
    const auto depth = static_cast<std::uint64_t>(setup.number("depth"));
    const auto burst = static_cast<std::uint64_t>(setup.number("burst"));
    const auto rings = static_cast<std::uint32_t>(setup.number("rings"));
    std::vector<GuestDisk*> disks;
    disks.reserve(rings);
    for (std::uint32_t i = 0; i < rings; ++i)
        disks.push_back(&setup.disk(me, i));
    Stream stream{setup, disks.front()->sectors()};
    // A request has one number in all of the guest.
    const auto name_of = [rings](std::uint64_t number, std::uint32_t ring) { return number * rings + ring; };
    RealTime due = me.now() + period + setup.nanoseconds("phase_ns");
    std::uint64_t sent = 0, answers = 0;
    while (me.now() < ends) {
        for (std::uint32_t i = 0; i < rings; ++i)
            while (const auto answer = disks[i]->take_answer()) {
                co_await me.mark(code(Mark::reply_received), name_of(*answer, i));
                co_await me.mark(code(Mark::operations), ++answers);
                if (work > Nanos{})
                    co_await me.run(work);
            }
        bool has_room = false;
        for (std::uint32_t i = 0; i < rings; ++i) {
            GuestDisk& disk = *disks[i];
            while (disk.outstanding() < depth && (period == Nanos{} || me.now() >= due)) {
                if (period > Nanos{})
                    co_await me.mark(code(Mark::deadline),
                                     static_cast<std::uint64_t>(due.since_start().count()));
                co_await me.mark(code(Mark::request_sent), name_of(disk.submitted(), i));
                co_await disk.submit(me, stream.next());
                if (++sent % burst == 0)
                    due += period;
            }
            has_room |= disk.outstanding() < depth;
        }
        co_await me.wait(period > Nanos{} && has_room ? std::min(due, ends) : ends);
        me.take_event();
    }
}

} // namespace bulkhead::sim
