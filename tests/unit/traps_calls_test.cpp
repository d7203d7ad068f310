// The hypercalls about traps and vCPU state, used rightly and wrongly.
#include "hv/calls/trap.hpp"
#include "hv/calls/vcpu_state.hpp"
#include "hv/trap/emulate_debug_registers.hpp"
#include "traps_world.hpp"

#include <gtest/gtest.h>

namespace bulkhead::hv::test {
namespace {

constexpr std::uint64_t data = 0xffffffff80200000; // a page of the guest's for arguments

struct World : Guest {
    World() { map(data), map(data + page_bytes); }
    template<class H>
    HypercallResult call(std::initializer_list<std::uint64_t> values) {
        arguments = {};
        std::copy(values.begin(), values.end(), arguments.value.begin());
        HypercallContext context{vcpu(), domain(), arguments};
        return H::decode(arguments).run(context);
    }
    HypercallArguments arguments{};
};

testing::AssertionResult fails_with(const HypercallResult& result, Error error) {
    if (!result && result.error() == error)
        return testing::AssertionSuccess();
    return testing::AssertionFailure() << (result ? *result : -static_cast<std::int64_t>(result.error()));
}

trap_info entry(unsigned vector, std::uint64_t address, unsigned flags = 3) {
    return {static_cast<std::uint8_t>(vector), static_cast<std::uint8_t>(flags), FLAT_KERNEL_CS64, address};
}

TEST(SetTrapTable, ReadsUntilTheZeroAddress) {
    World world;
    world.poke(data, entry(7, 0x1000, 3 | 4));
    world.poke(data + 16, entry(8, 0x2000, 0));
    world.poke(data + 32, entry(9, 0));
    world.poke(data + 48, entry(10, 0x3000));
    ASSERT_TRUE(world.call<SetTrapTable>({data}));
    EXPECT_EQ(world.table[7].address, 0x1000U);
    EXPECT_EQ(world.table[7].privilege, 3);
    EXPECT_TRUE(world.table[7].mask_events);
    EXPECT_EQ(world.table[8].privilege, 0);
    EXPECT_FALSE(world.table[8].mask_events);
    EXPECT_EQ(world.table[9].address, world.handler(9));
    EXPECT_EQ(world.table[10].address, world.handler(10));
}

TEST(SetTrapTable, NullForgetsEverything) {
    World world;
    ASSERT_TRUE(world.call<SetTrapTable>({0}));
    for (const auto& handler : world.table)
        EXPECT_EQ(handler.address, 0U);
}

TEST(SetTrapTable, RefusesAddressesThatAreNotCanonical) {
    for (const std::uint64_t address :
         {0x0000800000000000ULL, 0xffff7fffffffffffULL, 0x8000000000000000ULL}) {
        World world;
        world.poke(data, entry(7, address));
        EXPECT_TRUE(fails_with(world.call<SetTrapTable>({data}), Error::invalid));
        EXPECT_EQ(world.table[7].address, world.handler(7));
    }
}

TEST(SetTrapTable, EndlessListEndsWithItsMemoryAndMakesWay) {
    World world;
    for (std::uint64_t i = 0; i < 2 * page_bytes / sizeof(trap_info); ++i)
        world.poke(data + i * sizeof(trap_info), entry(7, 0x1000));
    EXPECT_TRUE(fails_with(world.call<SetTrapTable>({data}), Error::bad_address));
    world.preempt = true;
    EXPECT_TRUE(fails_with(world.call<SetTrapTable>({data}), Error::restart));
    EXPECT_GT(world.arguments[0], data);
    EXPECT_EQ((world.arguments[0] - data) % sizeof(trap_info), 0U);
}

TEST(SetTrapTable, TableComesFromTheDomainsQuota) {
    World world;
    world.vcpu().entries.handlers = nullptr;
    world.poke(data, entry(7, 0x1000));
    EXPECT_TRUE(fails_with(world.call<SetTrapTable>({data}), Error::no_memory));
    world.domain().memory.max_metadata = 1;
    world.poke(data + 16, entry(0, 0));
    EXPECT_TRUE(world.call<SetTrapTable>({data}));
    EXPECT_EQ(world.domain().memory.metadata, 1U);
}

TEST(SetCallbacks, AllOrNothing) {
    World world;
    EXPECT_TRUE(fails_with(world.call<SetCallbacks>({0x1000, 0x2000, 0x0000800000000000}), Error::invalid));
    EXPECT_EQ(world.vcpu().entries.event_callback.address, Guest::handlers + 0x2000);
    ASSERT_TRUE(world.call<SetCallbacks>({0x1000, 0x2000, 0x3000}));
    EXPECT_EQ(world.vcpu().entries.event_callback.address, 0x1000U);
    EXPECT_EQ(world.vcpu().entries.failsafe_callback.address, 0x2000U);
    EXPECT_EQ(world.vcpu().entries.syscall_callback.address, 0x3000U);
}

TEST(CallbackOp, RegistersAndUnregisters) {
    World world;
    world.poke(data, callback_register{CALLBACKTYPE_syscall32, CALLBACKF_mask_events, 0x4000});
    ASSERT_TRUE(world.call<CallbackOp>({CALLBACKOP_register, data}));
    EXPECT_EQ(world.vcpu().entries.syscall32_callback.address, 0x4000U);
    EXPECT_TRUE(world.vcpu().entries.syscall32_callback.mask_events);
    world.poke(data, callback_register{CALLBACKTYPE_sysenter, 0, 0x5000});
    ASSERT_TRUE(world.call<CallbackOp>({CALLBACKOP_register, data}));
    EXPECT_EQ(world.vcpu().entries.sysenter_callback.address, 0x5000U);
    world.poke(data, callback_register{CALLBACKTYPE_nmi, 0, 0x6000});
    ASSERT_TRUE(world.call<CallbackOp>({CALLBACKOP_register, data}));
    EXPECT_EQ(world.table[vector::nmi].address, 0x6000U);
    EXPECT_TRUE(world.table[vector::nmi].mask_events);
    world.poke(data, callback_unregister{CALLBACKTYPE_nmi, 0});
    ASSERT_TRUE(world.call<CallbackOp>({CALLBACKOP_unregister, data}));
    EXPECT_EQ(world.table[vector::nmi].address, 0U);
}

TEST(CallbackOp, Refuses) {
    World world;
    world.poke(data, callback_register{CALLBACKTYPE_event, 0, 0x0000800000000000});
    EXPECT_TRUE(fails_with(world.call<CallbackOp>({CALLBACKOP_register, data}), Error::invalid));
    world.poke(data, callback_register{CALLBACKTYPE_sysenter_deprecated, 0, 0x4000});
    EXPECT_TRUE(fails_with(world.call<CallbackOp>({CALLBACKOP_register, data}), Error::not_implemented));
    world.poke(data, callback_register{99, 0, 0x4000});
    EXPECT_TRUE(fails_with(world.call<CallbackOp>({CALLBACKOP_register, data}), Error::not_implemented));
    for (const std::uint16_t type : std::initializer_list<std::uint16_t>{
             CALLBACKTYPE_event, CALLBACKTYPE_syscall32, CALLBACKTYPE_sysenter}) {
        world.poke(data, callback_unregister{type, 0});
        EXPECT_TRUE(fails_with(world.call<CallbackOp>({CALLBACKOP_unregister, data}), Error::invalid));
    }
    EXPECT_TRUE(fails_with(world.call<CallbackOp>({2, data}), Error::not_implemented));
    EXPECT_TRUE(fails_with(world.call<CallbackOp>({CALLBACKOP_register, 0x10}), Error::bad_address));
}

struct IretTest : testing::Test, World {
    // A frame for user mode, at the kernel's stack pointer.
    iret_context frame{.rax = 0xaa,
                       .r11 = 0x11,
                       .rcx = 0xcc,
                       .flags = 0,
                       .rip = Guest::user_code,
                       .cs = 0x33,
                       .rflags = 0x202,
                       .rsp = 0x7000,
                       .ss = 0x2b};
    HypercallResult iret() {
        poke(regs().rsp, frame);
        return call<Iret>({});
    }
};

TEST_F(IretTest, ToUserMode) {
    const auto result = iret();
    ASSERT_TRUE(result);
    EXPECT_EQ(*result, 0xaa);
    EXPECT_FALSE(vcpu().processor.in_kernel);
    EXPECT_EQ(regs().rip, Guest::user_code);
    EXPECT_EQ(regs().cs, 0x33U);
    EXPECT_EQ(regs().ss, 0x2bU);
    EXPECT_EQ(regs().rsp, 0x7000U);
    EXPECT_EQ(regs().rcx, 0xccU);
    EXPECT_EQ(regs().r11, 0x11U);
    EXPECT_FALSE(masked());
}

TEST_F(IretTest, ToKernelModeGetsRing3SelectorsAnyway) {
    frame.cs = 0xe030, frame.ss = 0x18, frame.rip = Guest::kernel_code + 8;
    ASSERT_TRUE(iret());
    EXPECT_TRUE(vcpu().processor.in_kernel);
    EXPECT_EQ(toggles, 0U);
    EXPECT_EQ(regs().cs, 0xe033U);
    EXPECT_EQ(regs().ss, 0x1bU);
}

TEST_F(IretTest, MaskFollowsTheInterruptFlagWhichStaysOn) {
    frame.rflags = 0;
    ASSERT_TRUE(iret());
    EXPECT_TRUE(masked());
    EXPECT_EQ(regs().rflags, rflags::interrupt | rflags::fixed);
}

TEST_F(IretTest, FlagsAreSanitized) {
    frame.rflags = ~0ULL;
    ASSERT_TRUE(iret());
    EXPECT_EQ(regs().rflags & (rflags::iopl | rflags::vm86 | 3ULL << 19), 0U);
    EXPECT_EQ(regs().rflags >> 22, 0U);
    EXPECT_NE(regs().rflags & rflags::trap, 0U);
}

TEST_F(IretTest, InSyscallRestoresLikeSysret) {
    frame.flags = VGCF_in_syscall;
    ASSERT_TRUE(iret());
    EXPECT_EQ(regs().rcx, regs().rip);
    EXPECT_EQ(regs().r11, regs().rflags);
    EXPECT_EQ(regs().cs, 0xe033U);
    EXPECT_EQ(regs().ss, 0xe02bU);
    EXPECT_FALSE(vcpu().processor.in_kernel);
}

TEST_F(IretTest, BadAddressGoesToTheFailsafe) {
    frame.rip = 0x0000900000000000;
    ASSERT_TRUE(iret());
    EXPECT_FALSE(crash);
    EXPECT_TRUE(vcpu().processor.in_kernel);
    EXPECT_EQ(regs().rip, Guest::handlers + 0x2100);
    EXPECT_EQ(word(6), 0x0000900000000000U);
}

TEST_F(IretTest, NoUserRootOrNoStackEndsTheDomain) {
    vcpu().tables.user_root = Mfn{};
    EXPECT_FALSE(iret());
    EXPECT_TRUE(crash);
    World other;
    other.regs().rsp = 0x10;
    EXPECT_FALSE(other.call<Iret>({}));
    EXPECT_TRUE(other.crash);
}

TEST(StackSwitch, TakesEffectOnTheNextEntryFromUserMode) {
    World world;
    ASSERT_TRUE(world.call<StackSwitch>({0x10, data + 0x800}));
    world.in_user_mode();
    deliver_exception(world.vcpu(), vector::divide);
    EXPECT_EQ(world.regs().rsp, data + 0x800 - 56);
}

TEST(SetSegmentBase, ChecksAndLoads) {
    World world;
    ASSERT_TRUE(world.call<SetSegmentBase>({SEGBASE_FS, 0x1000}));
    ASSERT_TRUE(world.call<SetSegmentBase>({SEGBASE_GS_USER, 0x2000}));
    ASSERT_TRUE(world.call<SetSegmentBase>({SEGBASE_GS_KERNEL, 0xffff880000000000}));
    EXPECT_EQ(world.vcpu().processor.fs_base, 0x1000U);
    EXPECT_EQ(world.vcpu().processor.gs_base_user, 0x2000U);
    EXPECT_EQ(world.vcpu().processor.gs_base_kernel, 0xffff880000000000U);
    EXPECT_EQ(world.base_loads, 2U); // the applications' is not in force
    EXPECT_TRUE(fails_with(world.call<SetSegmentBase>({SEGBASE_FS, 0x0000800000000000}), Error::invalid));
    EXPECT_TRUE(fails_with(world.call<SetSegmentBase>({4, 0}), Error::invalid));
    EXPECT_TRUE(world.call<SetSegmentBase>({SEGBASE_GS_USER_SEL, 0x33}));
    EXPECT_TRUE(fails_with(world.call<SetSegmentBase>({SEGBASE_GS_USER_SEL, 0x30}), Error::invalid));
    world.gs_usable = false;
    EXPECT_TRUE(fails_with(world.call<SetSegmentBase>({SEGBASE_GS_USER_SEL, 0x33}), Error::invalid));
    EXPECT_EQ(world.base_loads, 2U); // the applications' is not in force
}

TEST(DebugRegisters, NeverWatchTheHypervisor) {
    World world;
    ASSERT_TRUE(world.call<SetDebugreg>({0, 0x401000}));
    EXPECT_TRUE(fails_with(world.call<SetDebugreg>({1, 0xffff830000000000}), Error::permission));
    EXPECT_TRUE(fails_with(world.call<SetDebugreg>({1, 0x0000800000000000}), Error::permission));
    EXPECT_TRUE(world.call<SetDebugreg>({7, 0x1}));
    EXPECT_TRUE(fails_with(world.call<SetDebugreg>({7, 0x1 | 1 << 13}), Error::permission));
    EXPECT_TRUE(fails_with(world.call<SetDebugreg>({7, 0x1 | 2 << 16}), Error::permission)) << "ports";
    ASSERT_TRUE(world.call<SetDebugreg>({7, 0x000d0001}));
    EXPECT_EQ(world.call<GetDebugreg>({7}), 0x000d0401);
    ASSERT_TRUE(world.call<SetDebugreg>({7, 0x1}));
    EXPECT_TRUE(fails_with(world.call<SetDebugreg>({8, 0}), Error::no_device));
    EXPECT_EQ(world.debug_loads, 4U);
    EXPECT_EQ(world.call<GetDebugreg>({0}), 0x401000);
    EXPECT_EQ(world.call<GetDebugreg>({7}), 0x401);
    EXPECT_EQ(world.call<GetDebugreg>({5}), 0x401);
    EXPECT_EQ(world.call<GetDebugreg>({6}), 0xffff0ff0);
    EXPECT_TRUE(fails_with(world.call<GetDebugreg>({8}), Error::invalid));
}

TEST(DebugRegisters, WatchPortsWithDebuggingExtensionsOnly) {
    World world;
    constexpr std::uint64_t two_ports = 0x00060001, // DR0
        four_bytes = 0x00d00004;                    // DR1, written
    EXPECT_TRUE(fails_with(world.call<SetDebugreg>({7, two_ports}), Error::permission));
    world.vcpu().processor.cr4 |= 1 << 3;
    ASSERT_TRUE(world.call<SetDebugreg>({0, 0x71}));
    ASSERT_TRUE(world.call<SetDebugreg>({7, two_ports}));
    EXPECT_EQ(port_breakpoints_hit(world.vcpu(), 0x6f, 1), 0U);
    EXPECT_EQ(port_breakpoints_hit(world.vcpu(), 0x6f, 2), 1U) << "a port of two bytes is aligned";
    EXPECT_EQ(port_breakpoints_hit(world.vcpu(), 0x71, 1), 1U);
    EXPECT_EQ(port_breakpoints_hit(world.vcpu(), 0x72, 4), 0U);
    EXPECT_EQ(hardware_control(two_ports | four_bytes), four_bytes) << "the processor watches no ports";
}

TEST(FpuTaskswitch, SetsTheVirtualFlag) {
    World world;
    ASSERT_TRUE(world.call<FpuTaskswitch>({1}));
    EXPECT_TRUE(world.vcpu().processor.task_switched);
    ASSERT_TRUE(world.call<FpuTaskswitch>({0}));
    EXPECT_FALSE(world.vcpu().processor.task_switched);
    EXPECT_EQ(world.ts_changes, 2U);
}

TEST(PhysdevOp, OnlyIopl) {
    World world;
    world.poke(data, physdev_set_iopl{1});
    ASSERT_TRUE(world.call<PhysdevOp>({PHYSDEVOP_set_iopl, data}));
    EXPECT_EQ(world.vcpu().processor.iopl, 1);
    world.poke(data, physdev_set_iopl{4});
    EXPECT_TRUE(fails_with(world.call<PhysdevOp>({PHYSDEVOP_set_iopl, data}), Error::invalid));
    EXPECT_TRUE(fails_with(world.call<PhysdevOp>({PHYSDEVOP_map_pirq, data}), Error::not_implemented));
}

} // namespace
} // namespace bulkhead::hv::test
