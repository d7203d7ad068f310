// CPUID of a PV kernel: the forced form (ud2a "xen" cpuid) tells the hypervisor's leaves; plain CPUID works
// as well.
#include "guest/runtime/traps.hpp"
#include "tests/guest/test.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

struct Leaf {
    std::uint32_t a, b, c, d;
};

static Leaf forced(std::uint32_t leaf) {
    Leaf out{};
    asm volatile("ud2; .ascii \"xen\"; cpuid"
                 : "=a"(out.a), "=b"(out.b), "=c"(out.c), "=d"(out.d)
                 : "0"(leaf), "2"(0));
    return out;
}

static Leaf plain(std::uint32_t leaf) {
    Leaf out{};
    asm volatile("cpuid" : "=a"(out.a), "=b"(out.b), "=c"(out.c), "=d"(out.d) : "0"(leaf), "2"(0));
    return out;
}

GUEST_TEST(emulate_cpuid, "the forced CPUID shows the hypervisor") {
    const Leaf basic = forced(0);
    check(basic.a >= 1, "the highest leaf is {x}", basic.a);
    check(plain(0).a >= 1, "plain CPUID does not work");
    const Leaf features = forced(1);
    check((features.d & 1 << 0) != 0, "no FPU");
    check((features.c & 1u << 5) == 0, "VMX is offered to a PV guest");
    const bool xsave = (features.c & 1u << 26) != 0, enabled = (features.c & 1u << 27) != 0;
    check(xsave == enabled, "XSAVE is there, but not switched on: kernels take CR4.OSXSAVE as found");
    const Leaf hypervisor = forced(0x40000000);
    check(hypervisor.b == 0x566e6558 && hypervisor.c == 0x65584d4d && hypervisor.d == 0x4d4d566e,
          "the hypervisor's signature is {x} {x} {x}", hypervisor.b, hypervisor.c, hypervisor.d);
    check(forced(0x40000001).a >> 16 == 4, "the version leaf says {x}", forced(0x40000001).a);
    const auto trap = traps::probe([] { asm volatile("ud2; .ascii \"xem\"; nop"); });
    check(trap && trap->vector == traps::Vector::undefined,
          "another prefix after ud2 is no undefined instruction");
}
