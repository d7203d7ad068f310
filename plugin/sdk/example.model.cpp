// example: what the workload of this name does, for the simulator. It starts as the model of a victim that
// only computes. Options and marks are those of the workload; each co_await is work or a call of the
// hypervisor.
#include "sim/model.hpp"

namespace bulkhead::sim {
namespace {

Program run(Guest& me, ModelSetup setup) {
    const std::int64_t step = setup.number("mark_ops");
    const RealTime ends = setup.ends(me.now());
    std::uint64_t done = 0;
    while (me.now() < ends) {
        co_await me.run(setup.operations(step));
        done += static_cast<std::uint64_t>(step);
        co_await me.mark(code(guest::Mark::operations), done);
    }
    co_await me.mark(code(guest::Mark::finished), done);
}

constexpr Model example{"example", "", {}, run};

} // namespace

BULKHEAD_MODEL(example)

} // namespace bulkhead::sim
