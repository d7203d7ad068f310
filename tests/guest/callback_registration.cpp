// callback_op: every type that a 64-bit kernel registers as it starts is taken, SYSENTER's among them.
// Unknown and old types answer ENOSYS, addresses that are not canonical EINVAL. Only the handler of
// non-maskable interrupts can be given up.
#include "guest/runtime/clock.hpp"
#include "guest/runtime/events.hpp"
#include "guest/runtime/hypercall.hpp"
#include "tests/guest/test.hpp"

#include <xen/callback.h>

using namespace bulkhead;
using namespace bulkhead::guest_test;

extern "C" void entry_event(), trap_2();

static Result<long> set_callback(unsigned type, std::uint64_t address) {
    callback_register call{};
    call.type = static_cast<std::uint16_t>(type);
    call.address = address;
    return hypercall::callback_op(CALLBACKOP_register, &call);
}

static Result<long> unset_callback(unsigned type) {
    callback_unregister call{};
    call.type = static_cast<std::uint16_t>(type);
    return hypercall::callback_op(CALLBACKOP_unregister, &call);
}

GUEST_TEST(callback_registration, "callbacks can be registered and nonsense cannot") {
    works(set_callback(CALLBACKTYPE_event, reinterpret_cast<std::uint64_t>(&entry_event)),
          "the event callback");
    const std::uint64_t before = events::upcalls();
    sleep(microseconds(200));
    check(events::upcalls() > before, "events do not arrive after registering the callback anew");
    refused(set_callback(CALLBACKTYPE_event, 0x800000000000), "an address that is not canonical");
    refused(set_callback(777, 0x1000), "an unknown type");
    refused(set_callback(CALLBACKTYPE_sysenter_deprecated, 0x1000), Error::no_such_call, "the old SYSENTER");
    for (const unsigned type : {CALLBACKTYPE_sysenter, CALLBACKTYPE_syscall32, CALLBACKTYPE_nmi}) {
        works(set_callback(type, 0x1000), "another callback of a kernel's start");
        refused(set_callback(type, 0x800000000000), Error::invalid, "a callback that is not canonical");
    }
    for (const unsigned type :
         {CALLBACKTYPE_event, CALLBACKTYPE_failsafe, CALLBACKTYPE_syscall, CALLBACKTYPE_sysenter})
        refused(unset_callback(type), Error::invalid, "giving a callback up");
    refused(unset_callback(777), Error::no_such_call, "giving an unknown callback up");
    works(unset_callback(CALLBACKTYPE_nmi), "giving the handler of non-maskable interrupts up");
    works(set_callback(CALLBACKTYPE_nmi, reinterpret_cast<std::uint64_t>(&trap_2)),
          "and registering it anew");
    refused(hypercall::callback_op(55, nullptr), "an unknown command");
    refused(hypercall::callback_op(CALLBACKOP_register, reinterpret_cast<void*>(HYPERVISOR_VIRT_START)),
            Error::fault, "an argument in the hypervisor's memory");
}
