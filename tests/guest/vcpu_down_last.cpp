// VCPUOP_down of the only vCPU that is up switches the domain off: nothing is printed after this test's
// verdict.
#include "guest/runtime/hypercall.hpp"
#include "tests/guest/test.hpp"

#include <xen/vcpu.h>

using namespace bulkhead;
using namespace bulkhead::guest_test;

GUEST_TEST_ALONE(vcpu_down_last, "the last vCPU takes the domain with it") {
    print("VERDICT vcpu_down_last success unless another line follows\n");
    static_cast<void>(hypercall::vcpu_op(VCPUOP_down, 0, nullptr));
    finish(Outcome::failure, "the last vCPU went down and runs on");
}
