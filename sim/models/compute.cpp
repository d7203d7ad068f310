// compute and cpu_hog: nothing but operations, and a mark now and then; the hog on all its vCPUs if it is
// told to.
#include "sim/model.hpp"

namespace bulkhead::sim {

using guest::Mark;

Program compute(Guest& me, ModelSetup setup) {
    const std::int64_t step = setup.number("mark_ops");
    const RealTime ends = setup.ends(me.now());
    if (setup.number_or("all_vcpus", 0) != 0)
        for (std::size_t i = 1; i < setup.vcpus(); ++i)
            co_await me.start_vcpu(i);
    std::uint64_t done = 0;
    while (me.now() < ends) {
        co_await me.run(setup.operations(step));
        done += static_cast<std::uint64_t>(step);
        co_await me.mark(code(Mark::operations), done);
    }
    co_await me.mark(code(Mark::finished), done);
}

// Every further vCPU of the hog.
Program burn(Guest& me, ModelSetup setup) {
    for (;;)
        co_await me.run(setup.operations(250'000));
}

} // namespace bulkhead::sim
