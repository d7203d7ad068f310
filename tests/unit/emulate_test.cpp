// Privileged instructions, carried out for a guest or refused.
#include "hv/trap/emulate.hpp"
#include "traps_world.hpp"

#include <gtest/gtest.h>

namespace bulkhead::hv::test {
namespace {

void protection_fault(Guest& guest) {
    guest.regs().vector = vector::protection;
    guest.regs().error = 0;
    handle_guest_trap(guest.vcpu(), 0);
}

testing::AssertionResult refused(Guest& guest) {
    if (!guest.took(vector::protection))
        return testing::AssertionFailure() << std::hex << guest.regs().rip;
    return guest.word(2) == 0 ? testing::AssertionSuccess() : testing::AssertionFailure() << guest.word(2);
}

TEST(Emulate, ForcedCpuidInBothModes) {
    for (const bool user : {false, true}) {
        Guest guest;
        if (user)
            guest.in_user_mode();
        guest.code({0x0f, 0x0b, 'x', 'e', 'n', 0x0f, 0xa2});
        guest.regs().rax = 0x40000000;
        guest.regs().vector = vector::invalid_opcode;
        handle_guest_trap(guest.vcpu(), 0);
        EXPECT_TRUE(guest.finished(7));
        EXPECT_EQ(guest.regs().rbx, 0x566e6558U);
    }
}

TEST(Emulate, OtherInvalidOpcodesAreTheGuests) {
    Guest guest;
    guest.code({0x0f, 0x0b, 'x', 'e', 'n', 0x0f, 0xa3});
    guest.regs().vector = vector::invalid_opcode;
    handle_guest_trap(guest.vcpu(), 0);
    EXPECT_TRUE(guest.took(vector::invalid_opcode));
    EXPECT_EQ(guest.word(2), Guest::kernel_code);
}

TEST(Emulate, ForcedPrefixAtTheEndOfMemory) {
    Guest guest;
    guest.regs().rip = Guest::kernel_code + page_bytes - 5;
    guest.code({0x0f, 0x0b, 'x', 'e', 'n'}); // the next page is not mapped
    guest.regs().vector = vector::invalid_opcode;
    handle_guest_trap(guest.vcpu(), 0);
    EXPECT_TRUE(guest.took(vector::invalid_opcode));
}

TEST(Emulate, MsrOfTheGuestsOwn) {
    Guest guest;
    guest.code({0x0f, 0x30});
    guest.regs().rcx = 0xc0000100;
    guest.regs().rax = 0xffffffff'00005000;
    guest.regs().rdx = 0x7f;
    protection_fault(guest);
    EXPECT_TRUE(guest.finished(2));
    EXPECT_EQ(guest.vcpu().processor.fs_base, 0x7f00005000U);
    EXPECT_EQ(guest.base_loads, 1U);
    guest.regs().rip = Guest::kernel_code;
    guest.code({0x0f, 0x32});
    guest.regs().rax = guest.regs().rdx = ~0ULL;
    protection_fault(guest);
    EXPECT_EQ(guest.regs().rax, 0x5000U);
    EXPECT_EQ(guest.regs().rdx, 0x7fU);
}

TEST(Emulate, UnknownMsr) {
    Guest guest;
    guest.code({0x0f, 0x32});
    guest.regs().rcx = 0x12345;
    protection_fault(guest);
    EXPECT_TRUE(refused(guest));
    EXPECT_EQ(guest.word(3), Guest::kernel_code);
    Guest early; // before its kernel has a #GP handler
    early.table[vector::protection] = {};
    early.code({0x0f, 0x32});
    early.regs().rcx = 0x12345;
    protection_fault(early);
    EXPECT_TRUE(early.finished(2));
    EXPECT_EQ(early.regs().rax, 0U);
    Guest base;
    base.code({0x0f, 0x30});
    base.regs().rcx = 0xc0000100;
    base.regs().rdx = 0x8000; // not canonical
    protection_fault(base);
    EXPECT_TRUE(refused(base));
    EXPECT_EQ(base.vcpu().processor.fs_base, 0U);
}

TEST(Emulate, ApplicationsGetNothingPrivileged) {
    for (const auto& bytes : {std::initializer_list<int>{0x0f, 0x32},
                              {0x0f, 0x30},
                              {0xf4},
                              {0x0f, 0x06},
                              {0x0f, 0x22, 0xd8},
                              {0x0f, 0x01, 0x3f},
                              {0x0f, 0x09},
                              {0xfa},
                              {0xec},
                              {0x0f, 0x01, 0xf8}}) {
        Guest guest;
        guest.in_user_mode();
        guest.code(bytes);
        protection_fault(guest);
        EXPECT_TRUE(refused(guest)) << std::hex << *bytes.begin();
        EXPECT_EQ(guest.blocks + guest.ts_changes + guest.roots_set.size() + guest.flushed.size(), 0U);
    }
}

TEST(Emulate, PortsAreAnEmptyBusForThoseWhoMayAsk) {
    Guest guest;
    guest.code({0xec});
    guest.regs().rax = 0x1234;
    protection_fault(guest);
    EXPECT_TRUE(refused(guest));
    Guest allowed;
    allowed.vcpu().processor.iopl = 1;
    allowed.code({0xec}); // in (%dx),%al
    allowed.regs().rax = 0x1234;
    protection_fault(allowed);
    EXPECT_TRUE(allowed.finished(1));
    EXPECT_EQ(allowed.regs().rax, 0x12ffU);
    allowed.regs().rip = Guest::kernel_code;
    allowed.code({0xed}); // in (%dx),%eax
    protection_fault(allowed);
    EXPECT_EQ(allowed.regs().rax, 0xffffffffU);
    allowed.regs().rip = Guest::kernel_code;
    allowed.code({0xe6, 0x80});
    protection_fault(allowed);
    EXPECT_TRUE(allowed.finished(2));
    Guest application;
    application.in_user_mode();
    application.vcpu().processor.iopl = 3;
    application.code({0xec});
    protection_fault(application);
    EXPECT_TRUE(application.finished(1));
}

TEST(Emulate, IntervalTimerStandsStill) {
    Guest guest;
    guest.vcpu().processor.iopl = 1;
    guest.code({0xe4, 0x42}); // in $0x42,%al
    guest.regs().rax = 0x1234;
    protection_fault(guest);
    EXPECT_TRUE(guest.finished(2));
    EXPECT_EQ(guest.regs().rax, 0x1200U);
}

TEST(Emulate, ArchitecturalIoplIsForRing0) {
    Guest guest;
    guest.domain().vm_assist = 1ULL << VMASST_TYPE_architectural_iopl;
    guest.code({0xfa});
    protection_fault(guest);
    EXPECT_TRUE(guest.finished(1));
    EXPECT_FALSE(guest.masked()) << "CLI has no effect";
}

TEST(Emulate, RepeatedInput) {
    Guest guest;
    guest.vcpu().processor.iopl = 1;
    constexpr std::uint64_t buffer = Guest::kernel_code + 0x100;
    guest.code({0xf3, 0x66, 0x6d}); // rep insw
    guest.regs().rdi = buffer;
    guest.regs().rcx = 3;
    guest.poke(buffer + 6, std::uint16_t{0x1111});
    protection_fault(guest);
    EXPECT_TRUE(guest.finished(3));
    EXPECT_EQ(guest.regs().rcx, 0U);
    EXPECT_EQ(guest.regs().rdi, buffer + 6);
    EXPECT_EQ(guest.peek(buffer), 0x1111'ffff'ffff'ffffU);
    guest.regs().rip = Guest::kernel_code;
    guest.regs().rdi = 0x10; // not mapped
    guest.regs().rcx = 1;
    protection_fault(guest);
    EXPECT_TRUE(refused(guest));
}

TEST(Emulate, LongRepeatsAreDoneInPieces) {
    Guest guest;
    guest.vcpu().processor.iopl = 1;
    guest.code({0xf3, 0x6e}); // rep outsb
    guest.regs().rcx = ~0ULL;
    protection_fault(guest);
    EXPECT_TRUE(guest.finished(0)) << "the guest runs the instruction again";
    EXPECT_EQ(guest.regs().rcx, ~0ULL - 512);
    guest.preempt = true;
    protection_fault(guest);
    EXPECT_TRUE(guest.finished(0));
    EXPECT_EQ(guest.regs().rcx, ~0ULL - 512 - 16) << "no element after the time is used up";
}

TEST(Emulate, ABreakpointOnAPortStrikesAfterEachElement) {
    Guest guest;
    guest.vcpu().processor.iopl = 1;
    guest.vcpu().processor.debug[0] = 0x60;
    guest.vcpu().processor.debug[7] = 0x00020401;
    guest.code({0xf3, 0x6e}); // rep outsb
    guest.regs().rdx = 0x60;
    guest.regs().rcx = 2;
    protection_fault(guest);
    ASSERT_TRUE(guest.took(vector::debug));
    EXPECT_EQ(guest.vcpu().processor.debug[6] & 15, 1U);
    EXPECT_EQ(guest.word(2), Guest::kernel_code) << "one element is left";
    EXPECT_EQ(guest.word(0), 1U) << "rcx";
}

TEST(Emulate, HaltBlocks) {
    Guest guest;
    guest.code({0xf4});
    protection_fault(guest);
    EXPECT_TRUE(guest.finished(1));
    EXPECT_EQ(guest.blocks, 1U);
}

TEST(Emulate, ControlRegisters) {
    Guest guest;
    guest.code({0x0f, 0x20, 0xd8}); // mov %cr3,%rax
    protection_fault(guest);
    EXPECT_EQ(guest.regs().rax, 100U << page_shift);
    guest.regs().rip = Guest::kernel_code;
    guest.code({0x0f, 0x22, 0xd8}); // mov %rax,%cr3
    guest.regs().rax = 0x7000;
    protection_fault(guest);
    EXPECT_TRUE(guest.finished(3));
    EXPECT_EQ(guest.roots_set, std::vector{Mfn{7}});
    guest.regs().rip = Guest::kernel_code;
    guest.root_error = Error::invalid;
    protection_fault(guest);
    EXPECT_TRUE(refused(guest));
}

TEST(Emulate, UnfinishedRootIsTriedAgain) {
    Guest guest;
    guest.code({0x0f, 0x22, 0xd8});
    guest.debt = Error::restart;
    protection_fault(guest);
    EXPECT_TRUE(guest.finished(0));
    EXPECT_TRUE(guest.roots_set.empty());
    guest.debt.reset();
    guest.root_error = Error::restart;
    protection_fault(guest);
    EXPECT_TRUE(guest.finished(0));
}

TEST(Emulate, OnlyTaskSwitchedOfCr0) {
    Guest guest;
    guest.code({0x0f, 0x20, 0xc0}); // mov %cr0,%rax
    protection_fault(guest);
    EXPECT_EQ(guest.regs().rax, 0x80050033U);
    guest.regs().rip = Guest::kernel_code;
    guest.code({0x0f, 0x22, 0xc0});
    guest.regs().rax |= 8;
    protection_fault(guest);
    EXPECT_TRUE(guest.finished(3));
    EXPECT_TRUE(guest.vcpu().processor.task_switched);
    guest.regs().rip = Guest::kernel_code;
    guest.code({0x0f, 0x06}); // clts
    protection_fault(guest);
    EXPECT_FALSE(guest.vcpu().processor.task_switched);
    guest.regs().rip = Guest::kernel_code;
    guest.code({0x0f, 0x22, 0xc0});
    guest.regs().rax = 0x11; // paging off
    protection_fault(guest);
    EXPECT_TRUE(refused(guest));
}

TEST(Emulate, LmswAndCr4AndXsetbv) {
    Guest guest;
    guest.code({0x0f, 0x01, 0xf0}); // lmsw %ax
    guest.regs().rax = 0xb;         // TS, MP, PE
    protection_fault(guest);
    EXPECT_TRUE(guest.finished(3));
    EXPECT_TRUE(guest.vcpu().processor.task_switched);
    guest.regs().rip = Guest::kernel_code;
    guest.code({0x0f, 0x22, 0xe0}); // mov %rax,%cr4
    guest.regs().rax = ~0ULL;
    protection_fault(guest);
    EXPECT_TRUE(guest.finished(3));
    EXPECT_EQ(guest.vcpu().processor.cr4, accepted_cr4(~0ULL));
    guest.regs().rip = Guest::kernel_code;
    guest.code({0x0f, 0x01, 0xd1}); // xsetbv
    guest.regs().rcx = guest.regs().rdx = 0, guest.regs().rax = 7;
    protection_fault(guest);
    EXPECT_TRUE(guest.finished(3));
    Guest wider;
    wider.code({0x0f, 0x01, 0xd1});
    wider.regs().rax = 0xe7;
    protection_fault(wider);
    EXPECT_TRUE(refused(wider));
    Guest other;
    other.code({0x0f, 0x01, 0xd1});
    other.regs().rax = 7, other.regs().rcx = 1;
    protection_fault(other);
    EXPECT_TRUE(refused(other));
}

TEST(Emulate, CodeAcrossTwoPages) {
    Guest guest;
    guest.map(Guest::kernel_code + page_bytes);
    guest.regs().rip = Guest::kernel_code + page_bytes - 1;
    guest.code({0x0f, 0x06}); // clts
    guest.vcpu().processor.task_switched = true;
    protection_fault(guest);
    EXPECT_FALSE(guest.vcpu().processor.task_switched);
    EXPECT_TRUE(guest.finished(page_bytes + 1));
}

TEST(Emulate, InvalidationOfOnePage) {
    Guest guest;
    guest.code({0x0f, 0x01, 0x7f, 0x08}); // invlpg 8(%rdi)
    guest.regs().rdi = 0x5000;
    protection_fault(guest);
    EXPECT_TRUE(guest.finished(4));
    EXPECT_EQ(guest.flushed, std::vector<std::uint64_t>{0x5008});
}

TEST(Emulate, SingleStepSurvives) {
    Guest guest;
    guest.code({0x0f, 0x09}); // wbinvd
    guest.regs().rflags |= rflags::trap;
    protection_fault(guest);
    ASSERT_TRUE(guest.took(vector::debug));
    EXPECT_EQ(guest.word(2), Guest::kernel_code + 2);
    EXPECT_NE(guest.vcpu().processor.debug[6] & 1 << 14, 0U);
}

TEST(Emulate, CodeSegmentsOfTheGuestsOwnTable) {
    Guest guest;
    guest.in_user_mode();
    guest.descriptors[6] = 0x00affb000000ffff; // selector 0x33: 64-bit code
    guest.descriptors[4] = 0x00cffb000000ffff; // selector 0x23: 32-bit code
    guest.vcpu().tables.gdt_entries = 512;
    guest.vcpu().tables.gdt_frames[0] = Mfn{1};
    guest.code({0xcd, 0x80});
    for (const std::uint64_t selector : {0x33U, 0x23U}) {
        guest.in_user_mode();
        guest.regs().cs = selector;
        protection_fault(guest);
        EXPECT_TRUE(guest.took(0x80)) << selector;
    }
    guest.in_user_mode();
    guest.regs().cs = 0x1003; // beyond the table
    protection_fault(guest);
    EXPECT_TRUE(guest.took(vector::protection));
}

} // namespace
} // namespace bulkhead::hv::test
