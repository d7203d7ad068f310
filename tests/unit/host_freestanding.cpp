// All functions of the three hosts, compiled with the hypervisor's flags and linked without a library: what
// needs a heap, an exception or a libc does not link. Never run.
#include "tests/unit/host_world.hpp"

template class bulkhead::host::MemoryHost<bulkhead::host_test::MemoryWorld>;
template class bulkhead::host::RingHost<bulkhead::host_test::RingWorld>;
template class bulkhead::host::SchedulerHost<bulkhead::host_test::SchedulerWorld>;

extern "C" [[noreturn]] void host_freestanding_start() { __builtin_trap(); }
