// SCHEDOP_shutdown with crash ends the domain as crashed, which the control plane reports; the run's exit
// status is 3.
#include "guest/runtime/schedule.hpp"
#include "tests/guest/test.hpp"

using namespace bulkhead::guest_test;

GUEST_TEST_ALONE(shutdown_crash, "crash does not come back") {
    print("VERDICT shutdown_crash success unless another line follows\n");
    bulkhead::guest::shutdown(bulkhead::guest::Shutdown::crash);
}
