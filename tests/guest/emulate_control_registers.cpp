// Control registers: CR3 reads as the guest's own root, CR0 and CR4 read plausibly, CR0.TS can be set and
// cleared, and no write changes paging or protection.
#include "guest/runtime/paging.hpp"
#include "guest/runtime/traps.hpp"
#include "tests/guest/test.hpp"
#include "tests/guest/width.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

GUEST_TEST(emulate_control_registers, "control registers read as the guest's own and refuse harm") {
    Word cr0 = 0;
    Word cr3 = 0;
    Word cr4 = 0;
    asm volatile("mov %%cr0, %0" : "=r"(cr0));
    asm volatile("mov %%cr3, %0" : "=r"(cr3));
    asm volatile("mov %%cr4, %0" : "=r"(cr4));
    check((cr0 & 0x80000001) == 0x80000001, "CR0 reads {x}", cr0);
    check(Mfn{xen_cr3_to_pfn(cr3)} == kernel_root(), "CR3 reads {x}, the root is frame {x}", cr3,
          kernel_root());
    check((cr4 & 0x20) != 0, "CR4 reads {x}", cr4);

    const auto no_paging = traps::probe([&] {
        asm volatile("mov %0, %%cr0" : : "r"(cr0 & ~Word{0x80000000}));
    });
    Word after = 0;
    asm volatile("mov %%cr0, %0" : "=r"(after));
    check(no_paging || after == cr0, "CR0 was changed to {x}", after);
    const auto bad_root = traps::probe([&] {
        asm volatile("mov %0, %%cr3" : : "r"(Word{xen_pfn_to_cr3(no_frame)}));
    });
    check(bad_root.has_value(), "a root beyond memory was loaded");
    asm volatile("mov %0, %%cr3" : : "r"(cr3) : "memory"); // its own again
    static_cast<void>(traps::probe([&] { asm volatile("mov %0, %%cr4" : : "r"(cr4 & ~Word{0x20})); }));
    asm volatile("mov %%cr4, %0" : "=r"(after));
    check((after & 0x20) != 0, "CR4.PAE was switched off");
}
