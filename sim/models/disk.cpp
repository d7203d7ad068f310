// Guests that do nothing but block I/O: a reader of any pattern, and the attack that fills the queue.
#include "sim/model.hpp"

#include <algorithm>
#include <random>
#include <stdexcept>

namespace bulkhead::sim {

using guest::Mark;

namespace {

// Where and how large the next request is.
class Stream {
  public:
    Stream(const ModelSetup& setup, std::uint64_t sectors)
        : bytes_{static_cast<std::uint32_t>(setup.number("bytes"))},
          operation_{setup.number("write") != 0 ? ringctl::Operation::write : ringctl::Operation::read},
          sequential_{setup.number("sequential") != 0}, chance_{setup.seed()} {
        if (setup.number("bytes") < ringctl::sector_bytes || setup.number("bytes") > largest)
            throw std::invalid_argument{"option bytes: write 512 to 1048576"};
        step_ = GuestDisk::sectors_of(bytes_);
        places_ = sectors / step_;
        place_ = chance_() % places_;
    }
    GuestDisk::Request next() {
        place_ = sequential_ ? (place_ + 1) % places_ : chance_() % places_;
        return {operation_, place_ * step_, bytes_};
    }

  private:
    static constexpr std::int64_t largest = 1 << 20;
    std::uint32_t bytes_;
    ringctl::Operation operation_;
    bool sequential_;
    std::mt19937_64 chance_;
    std::uint64_t step_ = 0, places_ = 0, place_ = 0;
};

} // namespace

// With a period, requests are due on a timetable whatever became of earlier ones (open loop); without,
// `depth` of them are always outstanding. Marks: deadline and request_sent, reply_received, and operations:
// the answers so far.
Program disk(Guest& me, ModelSetup setup) {
    const RealTime ends = setup.ends(me.now());
    GuestDisk& port = setup.disk(me);
    Stream stream{setup, port.sectors()};
    const Nanos period = setup.microseconds("period_us"), work = setup.microseconds("work_us");
    if (setup.number("depth") < 1 || setup.number("depth") > ringctl::most_queued)
        throw std::invalid_argument{"option depth: write 1 to " + std::to_string(ringctl::most_queued)};
    const auto depth = static_cast<std::uint64_t>(setup.number("depth"));
    RealTime due = me.now() + period + setup.nanoseconds("phase_ns");
    std::uint64_t answers = 0;
    while (me.now() < ends) {
        while (const auto answer = port.take_answer()) {
            co_await me.mark(code(Mark::reply_received), *answer);
            co_await me.mark(code(Mark::operations), ++answers);
            if (work > Nanos{})
                co_await me.run(work);
        }
        while (port.outstanding() < depth && (period == Nanos{} || me.now() >= due)) {
            if (period > Nanos{})
                co_await me.mark(code(Mark::deadline), static_cast<std::uint64_t>(due.since_start().count()));
            co_await me.mark(code(Mark::request_sent), port.submitted());
            co_await port.submit(me, stream.next());
            due += period;
        }
        co_await me.wait(period > Nanos{} && port.outstanding() < depth ? std::min(due, ends) : ends);
        me.take_event();
    }
}

} // namespace bulkhead::sim
