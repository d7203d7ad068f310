// Models that no small guest has: real-time tasks, bursts, and the replay of a recorded guest.
#include "sim/model.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <random>
#include <stdexcept>
#include <vector>

namespace bulkhead::sim {

using guest::Mark;

namespace {

// The same numbers on every computer, unlike std::exponential_distribution.
class Random {
  public:
    explicit Random(std::uint64_t seed) : engine_{seed} {}
    Nanos exponential(Nanos mean) {
        const double uniform = static_cast<double>((engine_() >> 11) + 1) * 0x1p-53;
        const double drawn = -std::log(uniform) * static_cast<double>(mean.count());
        return Nanos{std::max<std::int64_t>(1, static_cast<std::int64_t>(drawn))};
    }

  private:
    std::mt19937_64 engine_;
};

struct Episode {
    Nanos work, sleep;
};

std::vector<Episode> parse_episodes(std::string_view text) {
    std::vector<Episode> episodes;
    const char* at = text.data();
    const char* const end = at + text.size();
    while (at < end) {
        std::int64_t work = 0, sleep = 0;
        const auto first = std::from_chars(at, end, work);
        if (first.ec != std::errc{} || first.ptr == end || *first.ptr != ':')
            throw std::invalid_argument{"option steps: write WORK:SLEEP/WORK:SLEEP in ns"};
        const auto second = std::from_chars(first.ptr + 1, end, sleep);
        if (second.ec != std::errc{} || work < 1 || sleep < 0 || (second.ptr != end && *second.ptr != '/'))
            throw std::invalid_argument{"option steps: write WORK:SLEEP/WORK:SLEEP in ns, WORK at least 1"};
        episodes.push_back({Nanos{work}, Nanos{sleep}});
        at = second.ptr == end ? end : second.ptr + 1;
    }
    if (episodes.empty())
        throw std::invalid_argument{"option steps: write at least one WORK:SLEEP in ns"};
    return episodes;
}

} // namespace

// Marks: deadline (when it was released), request_seen when it starts, response_sent when it is done.
Program periodic(Guest& me, ModelSetup setup) {
    const RealTime ends = setup.ends(me.now());
    const Nanos period = std::max(setup.microseconds("period_us"), microseconds(1));
    const Nanos work = setup.microseconds("work_us"), phase = setup.microseconds("phase_us");
    RealTime release =
        RealTime{(me.now().since_start().count() / period.count() + 1) * period.count()} + phase;
    for (std::uint64_t job = 0; me.now() < ends; ++job) {
        co_await me.mark(code(Mark::deadline), static_cast<std::uint64_t>(release.since_start().count()));
        while (me.now() < release)
            co_await me.wait(release);
        co_await me.mark(code(Mark::request_seen), job);
        co_await me.run(work);
        co_await me.mark(code(Mark::response_sent), job);
        release += period;
    }
}

Program sporadic(Guest& me, ModelSetup setup) {
    const RealTime ends = setup.ends(me.now());
    const Nanos gap = setup.microseconds("gap_us"), mean = setup.microseconds("mean_us");
    const Nanos work = setup.microseconds("work_us");
    Random random{setup.seed()};
    RealTime release = me.now() + random.exponential(mean);
    for (std::uint64_t job = 0; me.now() < ends; ++job) {
        while (me.now() < release)
            co_await me.wait(release);
        co_await me.mark(code(Mark::deadline), static_cast<std::uint64_t>(release.since_start().count()));
        co_await me.mark(code(Mark::request_seen), job);
        co_await me.run(work);
        co_await me.mark(code(Mark::response_sent), job);
        release += gap + random.exponential(mean);
    }
}

Program on_off(Guest& me, ModelSetup setup) {
    const RealTime ends = setup.ends(me.now());
    const Nanos on = setup.microseconds("on_us"), off = setup.microseconds("off_us");
    Random random{setup.seed()};
    for (std::uint64_t burst = 1; me.now() < ends; ++burst) {
        co_await me.run(random.exponential(on));
        co_await me.mark(code(Mark::operations), burst);
        const RealTime wake = me.now() + random.exponential(off);
        while (me.now() < wake)
            co_await me.wait(wake);
    }
}

Program replay(Guest& me, ModelSetup setup) {
    const RealTime ends = setup.ends(me.now());
    const std::vector<Episode> episodes = parse_episodes(setup.text("steps"));
    for (std::uint64_t done = 0; me.now() < ends; ++done) {
        const Episode& episode = episodes[done % episodes.size()];
        co_await me.run(episode.work);
        co_await me.mark(code(Mark::operations), done + 1);
        if (episode.sleep > Nanos{}) {
            const RealTime wake = me.now() + episode.sleep;
            while (me.now() < wake)
                co_await me.wait(wake);
        }
    }
}

} // namespace bulkhead::sim
