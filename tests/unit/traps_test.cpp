// Exceptions, events and system calls reach the guest's kernel with the frame that the ABI promises.
#include "traps_world.hpp"

#include <gtest/gtest.h>

namespace bulkhead::hv::test {
namespace {

constexpr std::uint64_t interrupt_flag = rflags::interrupt;

void raise(Guest& guest, unsigned vector, std::uint64_t error = 0, std::uint64_t address = 0) {
    guest.regs().vector = vector;
    guest.regs().error = error;
    handle_guest_trap(guest.vcpu(), address);
}

TEST(Bounce, KernelExceptionPushesBelowItsOwnStack) {
    Guest guest;
    auto& regs = guest.regs();
    regs.rcx = 0x11, regs.r11 = 0x22;
    regs.rsp -= 5; // not aligned
    const auto before = regs;
    raise(guest, vector::divide);
    ASSERT_TRUE(guest.took(vector::divide));
    EXPECT_EQ(guest.toggles, 0U);
    EXPECT_EQ(regs.rsp, (before.rsp & ~15ULL) - 7 * 8);
    EXPECT_EQ(guest.word(0), 0x11U);
    EXPECT_EQ(guest.word(1), 0x22U);
    EXPECT_EQ(guest.word(2), before.rip);
    EXPECT_EQ(guest.word(3), 0xe030U); // RPL 0: the kernel was interrupted
    EXPECT_EQ(guest.word(4), before.rflags);
    EXPECT_EQ(guest.word(5), before.rsp);
    EXPECT_EQ(guest.word(6), std::uint64_t{FLAT_KERNEL_SS64});
    EXPECT_EQ(regs.cs, std::uint64_t{FLAT_KERNEL_CS64});
    EXPECT_EQ(regs.rcx, regs.rip); // SYSRET would be correct
    EXPECT_EQ(regs.r11, regs.rflags);
}

TEST(Bounce, UserExceptionSwitchesToTheKernelStack) {
    Guest guest;
    guest.in_user_mode();
    const auto before = guest.regs();
    raise(guest, vector::stack, 0x28);
    ASSERT_TRUE(guest.took(vector::stack));
    EXPECT_EQ(guest.toggles, 1U);
    EXPECT_EQ(guest.regs().rsp, Guest::kernel_stack - 8 * 8);
    EXPECT_EQ(guest.word(2), 0x28U); // error code
    EXPECT_EQ(guest.word(3), before.rip);
    EXPECT_EQ(guest.word(4), 0xe033U); // RPL 3
    EXPECT_EQ(guest.word(6), before.rsp);
}

TEST(Bounce, FlagsTellTheMaskAndHideWhatIsNotTheGuests) {
    Guest guest;
    guest.info.evtchn_upcall_mask = 0xff;
    guest.regs().rflags |=
        rflags::trap | rflags::align | rflags::nested | rflags::resume | rflags::direction | rflags::iopl;
    raise(guest, vector::divide);
    EXPECT_EQ(guest.word(3), 0xe030U | 1ULL << 32);
    EXPECT_EQ(guest.word(4) & (interrupt_flag | rflags::iopl), 0U);
    EXPECT_NE(guest.word(4) & rflags::trap, 0U);
    EXPECT_EQ(guest.regs().rflags, interrupt_flag | rflags::fixed | rflags::direction);
}

TEST(Bounce, ArchitecturalIoplIsShownWhenAskedFor) {
    Guest guest;
    guest.domain().vm_assist = 1ULL << VMASST_TYPE_architectural_iopl;
    guest.vcpu().processor.iopl = 2;
    raise(guest, vector::divide);
    EXPECT_EQ(guest.word(4) & rflags::iopl, 2U << 12);
}

TEST(Bounce, HandlerMayAskForEventsMasked) {
    Guest guest;
    guest.table[vector::divide].mask_events = true;
    raise(guest, vector::divide);
    EXPECT_TRUE(guest.masked());
    EXPECT_EQ(guest.word(3) >> 32, 0U) << "the frame holds the mask of before";
}

TEST(Bounce, BadStacksEndTheDomain) {
    for (const std::uint64_t stack :
         {std::uint64_t{0x5000}, std::uint64_t{0x0000900000000000}, std::uint64_t{0xffff820000001000},
          std::uint64_t{0xffff880000000010}, std::uint64_t{8}}) {
        Guest guest;
        guest.regs().rsp = stack;
        raise(guest, vector::divide);
        EXPECT_TRUE(guest.crash) << std::hex << stack;
    }
    Guest guest;
    guest.map(Guest::kernel_stack - page_bytes, false); // a page table as stack
    raise(guest, vector::divide);
    EXPECT_TRUE(guest.crash);
}

TEST(Traps, NoHandlerEndsTheDomain) {
    Guest guest;
    guest.table[vector::divide] = {};
    raise(guest, vector::divide);
    EXPECT_TRUE(guest.crash);
    Guest fresh;
    fresh.vcpu().entries.handlers = nullptr;
    raise(fresh, vector::divide);
    EXPECT_TRUE(fresh.crash);
}

TEST(Traps, VectorsThatNoGuestCanRaiseEndTheDomain) {
    for (const unsigned vector : {vector::double_fault, vector::machine_check, 15U, 21U, 31U}) {
        Guest guest;
        raise(guest, vector);
        EXPECT_TRUE(guest.crash) << vector;
    }
}

TEST(PageFault, UserBitFollowsTheGuestsMode) {
    Guest kernel;
    raise(kernel, vector::page_fault, page_fault::user | page_fault::write, 0x1234);
    ASSERT_TRUE(kernel.took(vector::page_fault));
    EXPECT_EQ(kernel.word(2), page_fault::write);
    EXPECT_EQ(kernel.info.arch.cr2, 0x1234U);

    Guest user;
    user.in_user_mode();
    raise(user, vector::page_fault, page_fault::user | page_fault::present, 0x1234);
    EXPECT_EQ(user.word(2), page_fault::user | page_fault::present);
}

TEST(PageFault, TheHypervisorsMappingsDoNotShow) {
    Guest guest;
    raise(guest, vector::page_fault, page_fault::user | page_fault::present | page_fault::write,
          0xffff820000000000);
    ASSERT_TRUE(guest.took(vector::page_fault));
    EXPECT_EQ(guest.word(2), page_fault::write);
    EXPECT_TRUE(guest.page_table_writes.empty());
    Guest table;
    raise(table, vector::page_fault, page_fault::user | page_fault::present | page_fault::write,
          0xffff800000000000);
    EXPECT_EQ(table.word(2), page_fault::present | page_fault::write)
        << "guests do see the machine-to-physical table";
}

TEST(PageFault, HoleInDescriptorTableIsABadSelector) {
    Guest guest;
    guest.vcpu().sched.slot = 3;
    const auto area = 0xffff818000000000 + 3 * 32 * page_bytes;
    raise(guest, vector::page_fault, 0, area + 0x2000 + 8 * 5 + 4);
    ASSERT_TRUE(guest.took(vector::protection));
    EXPECT_EQ(guest.word(2), 0x2028U);
    Guest local;
    local.vcpu().sched.slot = 3;
    raise(local, vector::page_fault, 0, area + 16 * page_bytes + 0x10);
    EXPECT_EQ(local.word(2), 0x14U);
    Guest without; // no table of its own
    without.vcpu().sched.slot = 3;
    raise(without, vector::page_fault, 0, 0xffff818000000050);
    EXPECT_EQ(without.word(2), 0x50U);
    Guest direct; // an ordinary access, not an implicit one
    direct.vcpu().sched.slot = 3;
    raise(direct, vector::page_fault, page_fault::user, area + 8);
    EXPECT_TRUE(direct.took(vector::page_fault));
}

TEST(DeviceNotAvailable, LazyRestoreIsSilentAndTheGuestsOwnIsDelivered) {
    Guest lazy;
    raise(lazy, vector::no_device);
    EXPECT_EQ(lazy.regs().rip, Guest::kernel_code);
    Guest own;
    own.vcpu().processor.task_switched = true;
    raise(own, vector::no_device);
    EXPECT_TRUE(own.took(vector::no_device));
    EXPECT_FALSE(own.vcpu().processor.task_switched);
}

TEST(Debug, StatusIsCollectedAndDelivered) {
    Guest guest;
    guest.debug_status = 1 << 14;
    raise(guest, vector::debug);
    EXPECT_TRUE(guest.took(vector::debug));
    EXPECT_EQ(guest.vcpu().processor.debug[6] & (1 << 14), 1U << 14);
}

TEST(Breakpoint, AllowedByTheHandlersPrivilege) {
    Guest guest;
    guest.in_user_mode();
    guest.regs().rip = Guest::user_code + 1; // behind the INT3
    raise(guest, vector::breakpoint);
    EXPECT_TRUE(guest.took(vector::breakpoint));
    EXPECT_EQ(guest.word(2), Guest::user_code + 1);
}

TEST(Breakpoint, RefusedAtTheInstruction) {
    Guest guest;
    guest.in_user_mode();
    guest.code({0xcc});
    guest.table[vector::breakpoint].privilege = 0;
    guest.regs().rip = Guest::user_code + 1;
    raise(guest, vector::breakpoint);
    ASSERT_TRUE(guest.took(vector::protection));
    EXPECT_EQ(guest.word(2), 3U * 8 + 2);
    EXPECT_EQ(guest.word(3), Guest::user_code);
    Guest kernel; // a kernel's own INT3 always reaches its handler
    kernel.table[vector::breakpoint].privilege = 0;
    raise(kernel, vector::breakpoint);
    EXPECT_TRUE(kernel.took(vector::breakpoint));
}

TEST(SoftwareInterrupt, DecodedNotBelieved) {
    Guest guest;
    guest.in_user_mode();
    guest.code({0xcd, 0x80});
    raise(guest, vector::protection, 0x80 * 16 + 2); // what one emulator reports
    ASSERT_TRUE(guest.took(0x80));
    EXPECT_EQ(guest.word(2), Guest::user_code + 2);
}

TEST(SoftwareInterrupt, PrivilegeOfTheInterruptedMode) {
    Guest guest;
    guest.in_user_mode();
    guest.code({0xcd, 0x21});
    guest.table[0x21].privilege = 1; // kernel only
    raise(guest, vector::protection, 0x21 * 16 + 2);
    ASSERT_TRUE(guest.took(vector::protection));
    EXPECT_EQ(guest.word(2), 0x21U * 8 + 2) << "the error code is the architecture's";
    EXPECT_EQ(guest.word(3), Guest::user_code);
    Guest kernel;
    kernel.code({0xcd, 0x21});
    kernel.table[0x21].privilege = 1;
    raise(kernel, vector::protection, 0x21 * 8 + 2);
    EXPECT_TRUE(kernel.took(0x21));
    Guest closed;
    closed.code({0xcd, 0x21});
    closed.table[0x21].privilege = 0; // nobody
    raise(closed, vector::protection, 0x21 * 8 + 2);
    EXPECT_TRUE(closed.took(vector::protection));
}

TEST(SoftwareInterrupt, From32BitCode) {
    Guest guest;
    guest.in_user_mode();
    guest.regs().cs = FLAT_RING3_CS32;
    guest.code({0xcd, 0x80});
    raise(guest, vector::protection, 0x80 * 8 + 2);
    ASSERT_TRUE(guest.took(0x80));
    EXPECT_EQ(guest.word(3), std::uint64_t{FLAT_RING3_CS32});
}

TEST(Event, AlwaysMasksAndNeedsACallback) {
    Guest guest;
    guest.vcpu().entries.event_callback.mask_events = false;
    deliver_event_callback(guest.vcpu());
    EXPECT_EQ(guest.regs().rip, Guest::handlers + 0x2000);
    EXPECT_TRUE(guest.masked());
    Guest none;
    none.vcpu().entries.event_callback = {};
    deliver_event_callback(none.vcpu());
    EXPECT_TRUE(none.crash);
}

TEST(Syscall, FrameHoldsWhatTheProcessorSaved) {
    Guest guest;
    guest.in_user_mode();
    auto& regs = guest.regs();
    regs.rip = Guest::user_code + 2;
    regs.rcx = regs.rip;
    regs.r11 = regs.rflags |= rflags::direction;
    deliver_syscall(guest.vcpu());
    EXPECT_EQ(regs.rip, Guest::handlers + 0x2200);
    EXPECT_EQ(guest.word(0), Guest::user_code + 2);
    EXPECT_EQ(guest.word(2), Guest::user_code + 2);
    EXPECT_NE(guest.word(4) & rflags::direction, 0U);
    EXPECT_EQ(regs.rflags & rflags::direction, 0U);
    EXPECT_FALSE(guest.masked());
    Guest masking;
    masking.in_user_mode();
    masking.vcpu().entries.syscall_callback.mask_events = true;
    deliver_syscall(masking.vcpu());
    EXPECT_TRUE(masking.masked());
}

TEST(Syscall, UnregisteredIsAnInvalidOpcodeAtTheInstruction) {
    Guest guest;
    guest.in_user_mode();
    guest.regs().rip = Guest::user_code + 2;
    deliver_syscall32(guest.vcpu());
    ASSERT_TRUE(guest.took(vector::invalid_opcode));
    EXPECT_EQ(guest.word(2), Guest::user_code);
}

TEST(Failsafe, FrameAlsoHoldsTheLiveSelectors) {
    Guest guest;
    guest.in_user_mode();
    guest.regs().rcx = 1, guest.regs().r11 = 2;
    deliver_failsafe(guest.vcpu());
    EXPECT_EQ(guest.regs().rip, Guest::handlers + 0x2100);
    const std::uint64_t expected[] = {1, 2, 0x1b, 0x23, 0x2b, 0x33, Guest::user_code};
    for (unsigned i = 0; i < std::size(expected); ++i)
        EXPECT_EQ(guest.word(i), expected[i]) << i;
    Guest none;
    none.vcpu().entries.failsafe_callback = {};
    deliver_failsafe(none.vcpu());
    EXPECT_TRUE(none.crash);
}

} // namespace
} // namespace bulkhead::hv::test
