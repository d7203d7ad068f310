// compute and cpu_hog: nothing but operations, and a mark now and then.
#include "sim/model.hpp"

namespace bulkhead::sim {

using guest::Mark;

Program compute(Guest& me, ModelSetup setup) {
    const std::int64_t step = setup.number("mark_ops");
    const RealTime ends = setup.ends(me.now());
    std::uint64_t done = 0;
    while (me.now() < ends) {
        co_await me.run(setup.operations(step));
        done += static_cast<std::uint64_t>(step);
        co_await me.mark(code(Mark::operations), done);
    }
    co_await me.mark(code(Mark::finished), done);
}

} // namespace bulkhead::sim
