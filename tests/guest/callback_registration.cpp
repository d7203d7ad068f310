// callback_op: callbacks are registered and refused as set_callbacks does; addresses that are not canonical
// and unknown types are refused.
#include "guest/runtime/clock.hpp"
#include "guest/runtime/events.hpp"
#include "guest/runtime/hypercall.hpp"
#include "tests/guest/test.hpp"

#include <xen/callback.h>

using namespace bulkhead;
using namespace bulkhead::guest_test;

extern "C" void entry_event();

static Result<long> set_callback(std::uint16_t type, std::uint64_t address) {
    callback_register call{};
    call.type = type;
    call.address = address;
    return hypercall::callback_op(CALLBACKOP_register, &call);
}

GUEST_TEST(callback_registration, "callbacks can be registered and nonsense cannot") {
    works(set_callback(CALLBACKTYPE_event, reinterpret_cast<std::uint64_t>(&entry_event)),
          "the event callback");
    const std::uint64_t before = events::upcalls();
    sleep(microseconds(200));
    check(events::upcalls() > before, "events do not arrive after registering the callback anew");
    refused(set_callback(CALLBACKTYPE_event, 0x800000000000), "an address that is not canonical");
    refused(set_callback(777, 0x1000), "an unknown type");
    refused(hypercall::callback_op(55, nullptr), "an unknown command");
    refused(hypercall::callback_op(CALLBACKOP_register, reinterpret_cast<void*>(HYPERVISOR_VIRT_START)),
            Error::fault, "an argument in the hypervisor's memory");
}
