// The table of models.
#include "sim/world.hpp"

#include <algorithm>
#include <array>

namespace bulkhead::sim {

namespace {

constexpr ModelOption sporadic_options[] = {
    {"gap_us", "us", "1000", "least time between two releases"},
    {"mean_us", "us", "1000", "mean of the exponential time that is added to it"},
    {"work_us", "us", "50", "CPU time that each release needs"},
};
constexpr ModelOption on_off_options[] = {
    {"on_us", "us", "5000", "mean CPU time of a burst (exponential)"},
    {"off_us", "us", "5000", "mean time between two bursts (exponential)"},
};
constexpr ModelOption replay_options[] = {
    {"steps", "text", "-",
     "what to do: WORK:SLEEP[:WAKE] in ns or WORK:y (yields), separated by '/', the next vCPU's after ';'"},
    {"from_start", "1", "0", "1: WAKE counts from the start of the run, 0: from the guest's own"},
    {"repeat", "1", "1", "0: sleep for ever after the last; 1: begin again"},
};
constexpr ModelOption disk_options[] = {
    {"bytes", "1", "4096", "size of a request, 512 to 1048576"},
    {"depth", "1", "1", "requests outstanding on each ring at most, 1 to 64"},
    {"rings", "1", "1", "rings that are used at a time, 1 to 16"},
    {"period_us", "us", "0",
     "time from requests to the next ones, whatever became of earlier ones; 0: after each answer"},
    {"burst", "1", "1", "requests that are due at one instant, if they have a period"},
    {"phase_ns", "ns", "0", "shift of all requests, if they have a period"},
    {"sequential", "1", "0", "1: each where the one before it ended, 0: anywhere"},
    {"write", "1", "0", "1: writes, 0: reads"},
    {"work_us", "us", "0", "CPU time for each answer"},
    {"flush", "1", "0", "after so many requests a flush follows; 0: none"},
    {"discard", "1", "0", "after so many requests a discard of the whole disk follows; 0: none"},
};
constexpr ModelOption flood_options[] = {
    {"bytes", "1", "512", "size of a request, 512 to 1048576"},
    {"depth", "1", "64", "requests outstanding on each ring at most, 1 to 64"},
    {"rings", "1", "1", "rings that are used at a time, 1 to 16"},
    {"period_us", "us", "0", "time from requests to the next ones; 0: after each answer"},
    {"burst", "1", "1", "requests that are due at one instant, if they have a period"},
    {"phase_ns", "ns", "0", "shift of all requests, if they have a period"},
    {"sequential", "1", "0", "1: each where the one before it ended, 0: anywhere"},
    {"write", "1", "0", "1: writes, 0: reads"},
    {"work_us", "us", "0", "CPU time for each answer"},
    {"flush", "1", "0", "after so many requests a flush follows; 0: none"},
    {"discard", "1", "0", "after so many requests a discard of the whole disk follows; 0: none"},
};
constexpr ModelOption memory_user_options[] = {
    {"set_mib", "MiB", "0", "its working set; 0: all its memory"},
    {"grow_ms", "ms", "0", "until then it uses a sixteenth of that"},
    {"work_us", "us", "20", "CPU time for each page that it uses"},
    {"mark_ops", "1", "100", "pages used between two marks"},
    {"stubborn", "1", "0", "1: gives nothing back when it is asked to"},
};
constexpr ModelOption sleeper_options[] = {
    {"set_mib", "MiB", "0", "its working set; 0: all its memory"},
    {"busy_ms", "ms", "200", "how long it is busy, first of all"},
    {"idle_ms", "ms", "200", "how long it sleeps afterwards, and so on by turns"},
    {"work_us", "us", "20", "CPU time for each page that it uses"},
    {"mark_ops", "1", "100", "pages used between two marks"},
    {"stubborn", "1", "0", "1: gives nothing back when it is asked to"},
};
constexpr ModelOption forker_options[] = {
    {"child_pages", "1", "16", "pages that a child gets, 1 to 64, beside its table"},
    {"copy_us", "us", "1", "CPU time to copy a page"},
    {"work_us", "us", "20", "CPU time of a child before the next one"},
    {"mark_forks", "1", "10", "children between two marks"},
};
constexpr ModelOption set_user_options[] = {
    {"set_mib", "MiB", "0", "its set; 0: all its memory"},
    {"pattern", "1", "0", "0: random, 1: in turn, 2: half of all uses on a sixteenth"},
    {"work_us", "us", "5", "CPU time for each page that it uses"},
};
constexpr ModelOption cache_options[] = {
    {"set_mib", "MiB", "0", "its set; 0: all its memory"},
    {"pattern", "1", "0", "0: random, 1: in turn, 2: half of all uses on a sixteenth"},
    {"work_ns", "ns", "1000", "CPU time for each page that it uses, beside what its cache misses cost"},
    {"mark_ops", "1", "1000", "pages used between two marks"},
};
constexpr ModelOption sweep_options[] = {
    {"set_mib", "MiB", "0", "what it sweeps; 0: all its memory"},
    {"pattern", "1", "1", "0: random, 1: in turn, 2: half of all uses on a sixteenth"},
    {"work_ns", "ns", "100", "CPU time for each page that it uses, beside what its cache misses cost"},
    {"mark_ops", "1", "1000", "pages used between two marks"},
};
constexpr ModelOption hoarder_options[] = {
    {"set_mib", "MiB", "0", "what it takes; 0: all its memory"},
    {"stubborn", "1", "0", "1: gives nothing back when it is asked to"},
};
constexpr ModelOption thrasher_options[] = {
    {"set_mib", "MiB", "0", "what it takes; 0: all its memory"},
    {"batch", "1", "256", "pages that it gives back and takes again"},
};

constexpr std::array table{
    Model{"compute", "", {}, compute},
    Model{"cpu_hog", "", {}, compute, false, burn},
    Model{"checksum", "", {}, checksum},
    Model{"vector_state", "", {}, vector_state},
    Model{"pinger", "", {}, pinger},
    Model{"responder", "", {}, responder},
    Model{"tick_dodger", "", {}, tick_dodger},
    Model{"yield_storm", "", {}, yield_storm},
    Model{"timer_storm", "", {}, timer_storm},
    Model{"tick_flood", "", {}, tick_flood},
    Model{"timeout_flood", "", {}, timeout_flood, false, sleep_to_instants},
    Model{"event_storm", "", {}, event_storm},
    Model{"loop_fault", "", {}, loop_fault},
    Model{"garbage", "", {}, garbage},
    Model{"periodic", "", {}, periodic},
    Model{"sporadic", "works for a fixed time at random instants with a least distance", sporadic_options,
          sporadic},
    Model{"on_off", "bursts of work and pauses of random length", on_off_options, on_off},
    Model{"replay", "works and sleeps as a recorded guest did", replay_options, replay, true},
    Model{"disk", "reads or writes a disk, in any pattern", disk_options, disk},
    Model{"disk_flood", "attack: fills the disk's queue with small requests", flood_options, disk},
    Model{"memory", "uses the pages of a working set at random", memory_user_options, memory_user, false,
          nullptr, true},
    Model{"idle_then_busy", "uses its pages for a while and sleeps for a while, by turns", sleeper_options,
          memory_user, false, nullptr, true},
    Model{"working_set", "uses the pages of a set in a pattern", set_user_options, set_user, false, nullptr,
          true},
    Model{"cache_user", "uses its pages through a model of the last-level cache", cache_options, cache_user,
          false, nullptr, true},
    Model{"cache_sweep", "attack: sweeps the model of the last-level cache", sweep_options, cache_user, false,
          nullptr, true},
    Model{"memory_hoard", "attack: takes memory and does not use it", hoarder_options, memory_hoarder, false,
          nullptr, true},
    Model{"memory_thrash", "attack: gives memory back and takes it again, over and over", thrasher_options,
          memory_thrasher, false, nullptr, true},
    Model{"fork_bomb", "attack: starts children until memory is short, then ends the oldest for each new one",
          forker_options, memory_forker, false, nullptr, true},
};

} // namespace

std::span<const Model> models() { return table; }

const Model* find_model(std::string_view name) {
    const auto* found = std::ranges::find(table, name, &Model::name);
    return found == table.end() ? nullptr : found;
}

World& ModelSetup::world() const { return static_cast<World&>(*world_); }

} // namespace bulkhead::sim
