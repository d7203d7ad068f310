// loop_fault and garbage: guests that the hypervisor must put up with (workloads/attacks). What they do to
// its checks is not simulated, only the time that these take.
#include "sim/world.hpp"

namespace bulkhead::sim {

using guest::Mark;

namespace {

constexpr std::uint32_t crash = 3;            // SHUTDOWN_crash of <xen/sched.h>
constexpr std::int64_t nested_faults = 16;    // about so many fit on the guest's stack
constexpr std::int64_t calls_of_a_round = 60; // of the 64 numbers that a guest without privilege calls

} // namespace

Program loop_fault(Guest& me, ModelSetup setup) {
    const RealTime ends = setup.ends(me.now());
    const Nanos handler{setup.world().machine().costs().handler};
    if (setup.number("nested") != 0) {
        for (std::int64_t i = 0; i < nested_faults; ++i)
            co_await me.fault(handler);
        co_await me.shutdown(crash);
    }
    const std::int64_t step = setup.number("mark_faults");
    std::uint64_t done = 0;
    while (me.now() < ends) {
        for (std::int64_t i = 0; i < step; ++i)
            co_await me.fault(handler);
        co_await me.mark(code(Mark::operations), done += static_cast<std::uint64_t>(step));
    }
    co_await me.mark(code(Mark::finished), done);
}

Program garbage(Guest& me, ModelSetup setup) {
    const RealTime ends = setup.ends(me.now());
    const Nanos own{setup.world().machine().costs().junk_own};
    const std::int64_t rounds = setup.number("rounds") == 0 ? INT64_MAX : setup.number("rounds");
    std::uint64_t done = 0;
    for (std::int64_t round = 0; round < rounds && me.now() < ends; ++round) {
        for (std::int64_t i = 0; i < calls_of_a_round; ++i)
            co_await me.junk(own);
        co_await me.mark(code(Mark::operations), ++done);
    }
    co_await me.mark(code(Mark::finished), done);
}

} // namespace bulkhead::sim
