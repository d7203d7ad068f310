// The machine-to-physical table can be read and not written; everything else of the hypervisor can be
// neither.
#include "guest/runtime/memory.hpp"
#include "guest/runtime/start.hpp"
#include "guest/runtime/traps.hpp"
#include "tests/guest/test.hpp"
#include "tests/guest/width.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

GUEST_TEST(machphys_readable,
           "of the hypervisor's addresses a guest can read the machine-to-physical table, no more") {
    constexpr std::uint64_t behind_table =
        is_narrow ? MACH2PHYS_VIRT_END : HYPERVISOR_VIRT_START + (1ull << 39);
    constexpr std::uint64_t step = is_narrow ? 1ull << 21 : 1ull << 33;
    const std::uint64_t entry = HYPERVISOR_VIRT_START + machine_frame(Pfn{0}).value() * sizeof(Word);
    check(traps::read_guarded(entry) == 0, "the entry of the first frame reads wrong");
    check(!traps::write_guarded(entry, 1), "the table can be written");
    check(traps::read_guarded(entry) == 0, "the table was written");
    unsigned readable = 0;
    for (std::uint64_t address = behind_table; address <= hypervisor_last_page; address += step) {
        const auto trap = traps::probe([&] { static_cast<void>(*at_address<volatile char>(address)); });
        if (!trap)
            ++readable;
        else
            check(trap->vector == traps::Vector::page, "trap {} at {x}", static_cast<unsigned>(trap->vector),
                  address);
    }
    check(readable == 0, "{} pages of the hypervisor can be read", readable);
}
