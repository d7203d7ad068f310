// Where a processor has UMIP, no instruction tells a guest where the hypervisor keeps its tables. Xen 4.17
// leaves UMIP off while PV guests run, and its CR4 says so.
#include "guest/runtime/start.hpp"
#include "guest/runtime/traps.hpp"
#include "tests/guest/test.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

namespace {

// What the processor says, not what the hypervisor tells kernels of it.
bool has_umip() {
    std::uint32_t a = 7, b = 0, c = 0, d = 0;
    asm volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    return (c >> 2 & 1) != 0;
}

bool is_umip_on() {
    Word cr4 = 0;
    asm volatile("mov %%cr4, %0" : "=r"(cr4));
    return (cr4 >> 11 & 1) != 0;
}

template<class Read>
void tells_nothing(Read read, std::string_view instruction) {
    const auto trap = traps::probe(read);
    check(trap && trap->vector == traps::Vector::protection, "{} was carried out", instruction);
}

} // namespace

GUEST_TEST(descriptor_reads, "SGDT, SIDT, SLDT, STR and SMSW raise #GP where the processor has UMIP") {
    if (!has_umip())
        skip("the processor has no UMIP");
    if (!on_bulkhead() && !is_umip_on())
        skip("the hypervisor leaves UMIP off");
    std::array<std::uint16_t, 5> table{};
    Word word = 0;
    tells_nothing([&] { asm volatile("sgdt %0" : "=m"(table)); }, "sgdt");
    tells_nothing([&] { asm volatile("sidt %0" : "=m"(table)); }, "sidt");
    tells_nothing([&] { asm volatile("sldt %0" : "=r"(word)); }, "sldt");
    tells_nothing([&] { asm volatile("str %0" : "=r"(word)); }, "str");
    tells_nothing([&] { asm volatile("smsw %0" : "=r"(word)); }, "smsw");
}
