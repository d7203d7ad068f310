// Models that no small guest has: real-time tasks, bursts, and the replay of a recorded guest.
#include "sim/world.hpp"

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
    Nanos wake{-1}; // since the beginning, if it is to end at that instant whatever came before
    bool yields = false;
};

// What the vCPU of that number has in `text`, which may be nothing.
std::string_view part(std::string_view text, std::size_t number) {
    for (; number > 0; --number) {
        const std::size_t end = text.find(';');
        if (end == std::string_view::npos)
            return {};
        text.remove_prefix(end + 1);
    }
    return text.substr(0, text.find(';'));
}

// One number, and the separator after it taken away. -1 if there is none.
std::int64_t take_number(std::string_view& text, char separator) {
    std::int64_t number = -1;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    if (text.starts_with(separator))
        text.remove_prefix(1);
    else if (!text.empty())
        return -1;
    return error == std::errc{} ? number : -1;
}

std::vector<Episode> parse_episodes(std::string_view text) {
    std::vector<Episode> episodes;
    while (!text.empty()) {
        std::string_view one = text.substr(0, text.find('/'));
        text.remove_prefix(std::min(one.size() + 1, text.size()));
        Episode episode{Nanos{take_number(one, ':')}, {}};
        episode.yields = one == "y";
        if (episode.yields)
            one = {};
        else
            episode.sleep = Nanos{take_number(one, ':')};
        const bool timed = !one.empty();
        if (timed)
            episode.wake = Nanos{take_number(one, ':')};
        if (episode.work < Nanos{1} || episode.sleep < Nanos{} || (timed && episode.wake < Nanos{}) ||
            !one.empty())
            throw std::invalid_argument{"option steps: write WORK:SLEEP/WORK:SLEEP in ns, WORK at least 1"};
        episodes.push_back(episode);
    }
    return episodes;
}

} // namespace

// Marks: deadline (when it was released), request_seen when it starts, response_sent when it is done.
Program periodic(Guest& me, ModelSetup setup) {
    const RealTime ends = setup.ends(me.now());
    const Nanos period = std::max(setup.microseconds("period_us"), microseconds(1));
    const Nanos work = setup.microseconds("work_us"), phase = setup.nanoseconds("phase_ns");
    const Nanos around{setup.world().machine().costs().job};
    RealTime release =
        RealTime{(me.now().since_start().count() / period.count() + 1) * period.count()} + phase;
    for (std::uint64_t job = 0; me.now() < ends; ++job) {
        co_await me.mark(code(Mark::deadline), static_cast<std::uint64_t>(release.since_start().count()));
        while (me.now() < release)
            co_await me.poll(release);
        co_await me.mark(code(Mark::request_seen), job);
        co_await me.run(work + around);
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

namespace {

// The part of an episode that the simulator adds to it by itself.
struct Overhead {
    explicit Overhead(const Costs& costs)
        : resumed{costs.resume + costs.load + costs.leave}, marked{costs.glue + costs.mark + costs.leave},
          asleep{2 * costs.wait_check + costs.upcall + costs.timer + costs.wait + costs.stop},
          yielded{costs.glue + costs.yield + costs.cede + costs.stop}, late{costs.interrupt + costs.fire} {}
    [[nodiscard]] Nanos of(const Episode& episode) const {
        if (episode.yields)
            return resumed + yielded;
        return episode.sleep > Nanos{} ? resumed + marked + asleep : marked;
    }
    Nanos resumed, marked, asleep, yielded;
    Nanos late; // a wake-up after its timer's deadline
};

} // namespace

// When the sleep after an episode ends. A vCPU that is a little late sleeps all the same, for a moment: a
// schedule may hang on the place in a queue that a wake-up gives. One that is very late does not sleep.
RealTime wake_of(const Episode& episode, RealTime began, RealTime now) {
    constexpr Nanos little = milliseconds(1), moment = microseconds(20);
    if (episode.wake < Nanos{})
        return now + episode.sleep;
    const RealTime wake = began + episode.wake;
    return wake <= now && now - wake < little ? now + std::min(episode.sleep, moment) : wake;
}

// WORK is all that a vCPU runs between two sleeps, with the hypervisor's work for it.
Program replay(Guest& me, ModelSetup setup) {
    const RealTime ends = setup.ends(me.now());
    const std::vector<Episode> episodes = parse_episodes(part(setup.text("steps"), setup.vcpu()));
    if (episodes.empty() && setup.vcpu() == 0)
        throw std::invalid_argument{"option steps: write at least one WORK:SLEEP in ns"};
    const std::uint64_t last =
        setup.number_or("repeat", 1) == 0 || episodes.empty() ? episodes.size() : UINT64_MAX;
    const Overhead overhead{setup.world().machine().costs()};
    const bool from_start = setup.number_or("from_start", 0) != 0;
    RealTime began = from_start ? setup.world().started_at() - overhead.late : me.now();
    Nanos carried{};
    for (std::uint64_t done = 0; me.now() < ends && done < last; ++done) {
        const Episode& episode = episodes[done % episodes.size()];
        if (done != 0 && done % episodes.size() == 0)
            began = me.now(); // all over again
        const Nanos wanted = episode.work - overhead.of(episode) + carried;
        const Nanos work = std::max(wanted, Nanos{1});
        carried = wanted - work; // what was too short for us is taken from the next ones
        co_await me.run(work);
        if (episode.yields) {
            co_await me.yield();
            continue;
        }
        co_await me.mark(code(Mark::operations), done + 1);
        const RealTime wake = wake_of(episode, began, me.now());
        if (episode.sleep > Nanos{} && wake <= me.now())
            carried += overhead.resumed + overhead.asleep; // it does not sleep
        while (episode.sleep > Nanos{} && me.now() < wake)
            co_await me.wait(wake);
    }
    while (me.now() < ends)
        co_await me.wait(ends);
}

} // namespace bulkhead::sim
