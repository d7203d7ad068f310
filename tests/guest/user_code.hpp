// The pieces of user_code.S, each between its `_first` and its `_last`.
#pragma once

#include "guest/runtime/user.hpp"
#include "tests/guest/test.hpp"

#define BULKHEAD_USER_CODE(name) extern "C" const char name##_first[], name##_last[]
BULKHEAD_USER_CODE(user_syscall);
BULKHEAD_USER_CODE(user_sysenter);
BULKHEAD_USER_CODE(user_sysenter_stepped);
BULKHEAD_USER_CODE(user_interrupt);
BULKHEAD_USER_CODE(user_int_other);
BULKHEAD_USER_CODE(user_int_exception);
BULKHEAD_USER_CODE(user_touch);
BULKHEAD_USER_CODE(user_write);
BULKHEAD_USER_CODE(user_privileged);
BULKHEAD_USER_CODE(user_spin);
BULKHEAD_USER_CODE(user_breakpoint);
BULKHEAD_USER_CODE(user_stepped);

namespace bulkhead::guest_test {

// A user space around one piece of code; ends the test with an error if it cannot be made.
inline user::Space make_space(const char* first, const char* last) {
    auto space = user::Space::create(first, last);
    if (!space)
        finish(Outcome::error, "no user space: {}", space.error());
    return *space;
}
// Bytes of user_stepped before the first instruction that is stepped over has ended.
inline constexpr Word user_stepped_start = 7;

// An application calls its kernel by SYSCALL in 64 bits and by INT 0x80 in 32, where no processor that this
// ABI was made for has more.
inline constexpr auto call_of_user = is_narrow ? user::Exit::Cause::interrupt : user::Exit::Cause::syscall;
inline user::Exit ran(const Result<user::Exit>& exit) { return works(exit, "entering user mode"); }
// The trap that ended user code; anything else fails the test.
inline traps::Trap trapped(const Result<user::Exit>& exit) {
    const user::Exit how = ran(exit);
    check(how.cause == user::Exit::Cause::trap, "user mode ended without a trap, rax {x}", how.number);
    return *how.trap;
}

} // namespace bulkhead::guest_test
