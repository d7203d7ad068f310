// User mode sees its own pages and nothing of the kernel's or the hypervisor's; its faults arrive with the
// right error code.
#include "guest/runtime/start.hpp"
#include "tests/guest/user_code.hpp"
#include "tests/guest/width.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

static void expect_fault(std::uint64_t address, std::string_view what) {
    user::Space space = make_space(user_touch_first, user_touch_last);
    const traps::Trap trap = trapped(space.run(address));
    check(trap.vector == traps::Vector::page, "{}: trap {}", what, static_cast<unsigned>(trap.vector));
    check(trap.address == address, "{}: address {x}", what, trap.address);
    check((trap.error & 0x6) == 0x4, "{}: error code {x}", what, trap.error);
}

GUEST_TEST(user_isolation, "user mode reads its own pages only") {
    user::Space reader = make_space(user_touch_first, user_touch_last);
    *reinterpret_cast<std::uint64_t*>(reader.data()) = 0xfeed;
    check(ran(reader.run(user::data_base)).argument == 0xfeed, "the shared page reads wrong");

    user::Space writer = make_space(user_write_first, user_write_last);
    check(ran(writer.run(user::data_base)).number == 4, "the shared page cannot be written");
    check(*reinterpret_cast<std::uint32_t*>(writer.data()) == 0x77, "the write is lost");
    const traps::Trap code = trapped(writer.run(user::code_base));
    check(code.vector == traps::Vector::page && (code.error & 7) == 7, "writing code: trap {} error {x}",
          static_cast<unsigned>(code.vector), code.error);

    expect_fault(kernel_base, "the kernel's image");
    expect_fault(direct_map_base, "the kernel's direct map");
    expect_fault(hypervisor_last_page, "the hypervisor");

    user::Space privileged = make_space(user_privileged_first, user_privileged_last);
    const traps::Trap trap = trapped(privileged.run(0));
    check(trap.vector == traps::Vector::protection && trap.error == 0, "cli: trap {} error {x}",
          static_cast<unsigned>(trap.vector), trap.error);
}
