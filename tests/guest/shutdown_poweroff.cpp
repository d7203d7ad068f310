// SCHEDOP_shutdown with poweroff ends the domain: nothing is printed after this test's verdict.
#include "guest/runtime/schedule.hpp"
#include "tests/guest/test.hpp"

using namespace bulkhead::guest_test;

GUEST_TEST_ALONE(shutdown_poweroff, "poweroff does not come back") {
    print("VERDICT shutdown_poweroff success unless another line follows\n");
    bulkhead::guest::shutdown(bulkhead::guest::Shutdown::poweroff);
}
