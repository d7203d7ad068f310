// No far transfer and no data segment leads to the hypervisor's segments, which stand in every GDT; and what
// 32-bit kernels have at the same places is not in this one.
#include "guest/runtime/traps.hpp"
#include "tests/guest/test.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

constexpr std::uint16_t hypervisor_code = 0xe008, hypervisor_data = 0xe010;

static void jump(std::uint16_t selector) {
    struct [[gnu::packed]] {
        std::uint32_t offset;
        std::uint16_t selector;
    } target{0, selector};
    asm volatile("lea 1f(%%rip), %%rax; mov %%eax, (%0); ljmp *(%0); 1:" : : "r"(&target) : "rax", "memory");
}

static void far_return(std::uint16_t selector) {
    asm volatile("mov %%rsp, %%rcx; push %0; lea 1f(%%rip), %%rax; push %%rax; lretq; 1: mov %%rcx, %%rsp"
                 :
                 : "r"(std::uint64_t{selector})
                 : "rax", "rcx", "memory");
}

static void load(std::uint16_t selector) { asm volatile("mov %w0, %%es" : : "r"(std::uint32_t{selector})); }

static void expect_refused(const std::optional<traps::Trap>& trap, std::uint16_t selector,
                           std::string_view what) {
    check(trap.has_value() && trap->vector == traps::Vector::protection && trap->error == (selector & 0xfffc),
          "{} of {x}", what, selector);
}

GUEST_TEST(hypervisor_selectors, "no far transfer leads to the hypervisor's segments") {
    for (const unsigned privilege : {0U, 1U, 3U}) {
        const auto code = static_cast<std::uint16_t>(hypervisor_code | privilege);
        const auto data = static_cast<std::uint16_t>(hypervisor_data | privilege);
        expect_refused(traps::probe([=] { jump(code); }), code, "a jump");
        // To a selector of ring 3 the hypervisor may have carried it out, and found out when it resumed the
        // guest.
        const auto returned = traps::probe([=] { far_return(code); });
        if (privilege == 3)
            check(returned.has_value(), "a return of {x}", code);
        else
            expect_refused(returned, code, "a return");
        expect_refused(traps::probe([=] { load(data); }), data, "a load");
    }
    // Ring 1's segments of a 32-bit guest.
    expect_refused(traps::probe([] { jump(0xe019); }), 0xe019, "a jump");
}
