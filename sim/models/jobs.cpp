// checksum and vector_state: jobs whose answer tells whether a host lost or mixed up registers
// (workloads/victims). There are none here to lose: a model takes the job's time, works the checksum out, and
// says nothing of wrong vectors, of which it could only ever say that there are none.
#include "sim/model.hpp"

#include <algorithm>
#include <string>

namespace bulkhead::sim {

using guest::Mark;

namespace {

constexpr std::uint64_t steps_of_a_mark = 1'000'000;
constexpr std::int64_t instructions_of_a_step = 4;
constexpr std::int64_t operations_of_a_round = 100;

std::uint64_t take(std::uint64_t value, std::uint64_t steps) {
    for (; steps > 0; --steps)
        value = value * 6364136223846793005 + 1442695040888963407;
    return value;
}

} // namespace

Program checksum(Guest& me, ModelSetup setup) {
    const RealTime began = me.now(), ends = setup.ends(began);
    const auto steps = static_cast<std::uint64_t>(setup.number("steps"));
    auto value = static_cast<std::uint64_t>(setup.number("seed"));
    std::uint64_t done = 0;
    while (done < steps && me.now() < ends) {
        const std::uint64_t some = std::min(steps - done, steps_of_a_mark);
        co_await me.run(setup.instructions(static_cast<std::int64_t>(some) * instructions_of_a_step));
        value = take(value, some);
        done += some;
        co_await me.mark(code(Mark::operations), done);
    }
    co_await me.mark(code(Mark::finished), done);
    setup.print("RESULT name=checksum steps=" + std::to_string(done) + " value=" + std::to_string(value) +
                " ns=" + std::to_string((me.now() - began).count()));
}

Program vector_state(Guest& me, ModelSetup setup) {
    const RealTime ends = setup.ends(me.now());
    std::uint64_t rounds = 0;
    do {
        co_await me.run(setup.operations(operations_of_a_round));
        ++rounds;
    } while (me.now() < ends);
    setup.print("RESULT name=vector_state rounds=" + std::to_string(rounds));
}

} // namespace bulkhead::sim
