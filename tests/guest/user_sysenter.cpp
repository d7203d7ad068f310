// SYSENTER of user mode arrives at the kernel's callback, with its registers but without the places that the
// processor does not keep. Flags that would harm the hypervisor stay behind.
#include "guest/runtime/hypercall.hpp"
#include "tests/guest/user_code.hpp"

#include <xen/callback.h>

using namespace bulkhead;
using namespace bulkhead::guest_test;

extern "C" void entry_sysenter();

static user::Exit entered(const char* first, const char* last) {
    user::Space space = make_space(first, last);
    user::Exit exit = ran(space.run(0x1234));
    // A trap that single-stepping brings before the SYSENTER itself.
    while (exit.cause == user::Exit::Cause::trap && exit.trap->vector == traps::Vector::debug)
        exit = ran(space.resume(12));
    return exit;
}

GUEST_TEST(user_sysenter, "user mode enters its kernel by SYSENTER") {
    callback_register call{};
    call.type = CALLBACKTYPE_sysenter;
    call.flags = CALLBACKF_mask_events;
    call.address = reinterpret_cast<std::uint64_t>(&entry_sysenter);
    works(hypercall::callback_op(CALLBACKOP_register, &call), "the SYSENTER callback");
    const user::Exit exit = entered(user_sysenter_first, user_sysenter_last);
    if (exit.cause == user::Exit::Cause::trap && exit.trap->vector == traps::Vector::undefined)
        skip("this processor has no SYSENTER in 64-bit mode");
    check(exit.cause == user::Exit::Cause::sysenter, "it came as {}", static_cast<unsigned>(exit.cause));
    check(exit.number == 11 && exit.argument == 0x1234 && exit.rip == 0, "rax {} rdi {x} rip {x}",
          exit.number, exit.argument, exit.rip);
    const user::Exit stepped = entered(user_sysenter_stepped_first, user_sysenter_stepped_last);
    check(stepped.cause == user::Exit::Cause::sysenter && stepped.number == 12,
          "with bad flags it came as {}, rax {}", static_cast<unsigned>(stepped.cause), stepped.number);
}
