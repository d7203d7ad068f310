// Yield, block and shutdown.
#include "guest/runtime/schedule.hpp"

#include "guest/runtime/hypercall.hpp"

namespace bulkhead::guest {

void yield() { static_cast<void>(hypercall::raw(__HYPERVISOR_sched_op, SCHEDOP_yield)); }

void block() { static_cast<void>(hypercall::raw(__HYPERVISOR_sched_op, SCHEDOP_block)); }

void shutdown(Shutdown reason) {
    sched_shutdown call{.reason = static_cast<unsigned>(reason)};
    for (;;)
        static_cast<void>(hypercall::sched_op(SCHEDOP_shutdown, &call));
}

} // namespace bulkhead::guest
