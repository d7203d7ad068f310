// callback_op: every type that a kernel registers as it starts is taken, SYSENTER's among them in 64 bits.
// Unknown and old types answer ENOSYS, addresses that are not canonical EINVAL. Only the handler of
// non-maskable interrupts can be given up.
#include "guest/runtime/clock.hpp"
#include "guest/runtime/events.hpp"
#include "guest/runtime/hypercall.hpp"
#include "tests/guest/test.hpp"
#include "tests/guest/width.hpp"

#include <xen/callback.h>

using namespace bulkhead;
using namespace bulkhead::guest_test;

extern "C" void entry_event(), trap_2();

static Result<long> set_callback(unsigned type, Word address) {
    callback_register call{};
    call.type = static_cast<std::uint16_t>(type);
    call.address = callback_at(address);
    return hypercall::callback_op(CALLBACKOP_register, &call);
}

static Result<long> unset_callback(unsigned type) {
    callback_unregister call{};
    call.type = static_cast<std::uint16_t>(type);
    return hypercall::callback_op(CALLBACKOP_unregister, &call);
}

// A 32-bit kernel takes system calls by a vector. It is told so, as on a processor without the instructions.
static void registers_system_calls() {
    for (const unsigned type : {CALLBACKTYPE_sysenter, CALLBACKTYPE_syscall32}) {
        if constexpr (is_narrow)
            refused(set_callback(type, 0x1000), Error::no_such_call,
                    "a callback for an instruction that is off");
        else
            works(set_callback(type, 0x1000), "another callback of a kernel's start");
    }
    if constexpr (!is_narrow) {
        for (const unsigned type : {CALLBACKTYPE_syscall, CALLBACKTYPE_sysenter})
            refused(unset_callback(type), Error::invalid, "giving a callback up");
        for (const unsigned type :
             {CALLBACKTYPE_event, CALLBACKTYPE_sysenter, CALLBACKTYPE_syscall32, CALLBACKTYPE_nmi})
            refused(set_callback(type, static_cast<Word>(0x800000000000)), Error::invalid,
                    "an address that is not canonical");
    }
}

GUEST_TEST(callback_registration, "callbacks can be registered and nonsense cannot") {
    works(set_callback(CALLBACKTYPE_event, reinterpret_cast<Word>(&entry_event)), "the event callback");
    const std::uint64_t before = events::upcalls();
    sleep(microseconds(200));
    check(events::upcalls() > before, "events do not arrive after registering the callback anew");
    refused(set_callback(777, 0x1000), "an unknown type");
    refused(set_callback(CALLBACKTYPE_sysenter_deprecated, 0x1000), Error::no_such_call, "the old SYSENTER");
    works(set_callback(CALLBACKTYPE_nmi, 0x1000), "another callback of a kernel's start");
    registers_system_calls();
    for (const unsigned type : {CALLBACKTYPE_event, CALLBACKTYPE_failsafe})
        refused(unset_callback(type), Error::invalid, "giving a callback up");
    refused(unset_callback(777), Error::no_such_call, "giving an unknown callback up");
    works(unset_callback(CALLBACKTYPE_nmi), "giving the handler of non-maskable interrupts up");
    works(set_callback(CALLBACKTYPE_nmi, reinterpret_cast<Word>(&trap_2)), "and registering it anew");
    refused(hypercall::callback_op(55, nullptr), "an unknown command");
    refused(hypercall::callback_op(CALLBACKOP_register, reinterpret_cast<void*>(hypervisor_memory)),
            Error::fault, "an argument in the hypervisor's memory");
}
