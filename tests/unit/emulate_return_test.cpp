// IRET and far RET that the processor read with the hypervisor's rights: carried out within the guest's ring.
#include "hv/trap/emulate.hpp"
#include "traps_world.hpp"

#include <gtest/gtest.h>

namespace bulkhead::hv::test {
namespace {

constexpr std::uint64_t cs = 0xe033, ss = 0xe02b;

void supervisor_fault(Guest& guest) {
    guest.regs().vector = vector::page_fault;
    guest.regs().error = page_fault::present;
    handle_guest_trap(guest.vcpu(), guest.regs().rsp);
}

void push(Guest& guest, std::uint64_t value) {
    guest.regs().rsp -= 8;
    guest.poke(guest.regs().rsp, value);
}

struct Returning : testing::Test, Guest {
    Returning() {
        regs().rsp = kernel_stack - 64;
        map(kernel_stack - 8);
    }
    void frame(std::uint64_t selector, std::uint64_t flags) {
        for (const auto value : {ss, kernel_stack - 32, flags, selector, kernel_code + 0x40})
            push(*this, value);
    }
};

TEST_F(Returning, IretRestoresItsFrame) {
    code({0x48, 0xcf});
    frame(cs, 0x3000 | rflags::carry);
    supervisor_fault(*this);
    EXPECT_EQ(regs().rip, kernel_code + 0x40);
    EXPECT_EQ(regs().rsp, kernel_stack - 32);
    EXPECT_EQ(regs().cs, cs);
    EXPECT_EQ(regs().ss, ss);
    EXPECT_EQ(regs().rflags, rflags::carry | rflags::fixed | rflags::interrupt)
        << "I/O privilege is not the guest's";
}

TEST_F(Returning, FarReturnPopsTwoValues) {
    code({0x48, 0xcb});
    push(*this, cs);
    push(*this, kernel_code + 0x40);
    const auto before = regs().rsp;
    supervisor_fault(*this);
    EXPECT_EQ(regs().rip, kernel_code + 0x40);
    EXPECT_EQ(regs().rsp, before + 16);
}

TEST(ReturningApplication, Code32PopsHalfAsMuchAndKeepsItsStackSegment) {
    Guest guest;
    guest.in_user_mode();
    guest.regs().cs = FLAT_RING3_CS32;
    guest.regs().ss = FLAT_RING3_SS32;
    guest.map(0x8000);
    guest.regs().rsp = 0x8100;
    guest.regs().rip = 0x8000;
    guest.code({0xcf});
    guest.poke(0x8100, std::uint32_t{0x8040});
    guest.poke(0x8104, std::uint32_t{FLAT_RING3_CS32});
    guest.poke(0x8108, std::uint32_t{rflags::carry});
    supervisor_fault(guest);
    EXPECT_EQ(guest.regs().rip, 0x8040U);
    EXPECT_EQ(guest.regs().rsp, 0x810cU);
    EXPECT_EQ(guest.regs().ss, std::uint64_t{FLAT_RING3_SS32});
    EXPECT_TRUE(guest.regs().rflags & rflags::carry);
}

TEST_F(Returning, NoReturnToAnInnerRing) {
    code({0x48, 0xcf});
    frame(0x8, 0);
    supervisor_fault(*this);
    ASSERT_TRUE(took(vector::protection));
    EXPECT_EQ(word(2), 0x8U);
}

TEST(ReturningApplication, UnreadableStackIsItsOwnFault) {
    Guest guest;
    guest.in_user_mode();
    guest.code({0x48, 0xcf});
    guest.regs().rsp = 0x5000;
    supervisor_fault(guest);
    ASSERT_TRUE(guest.took(vector::page_fault));
    EXPECT_EQ(guest.word(2), page_fault::present | page_fault::user);
}

TEST_F(Returning, OtherInstructionsFaultAsTheGuestsOwn) {
    code({0x90});
    supervisor_fault(*this);
    EXPECT_TRUE(took(vector::page_fault));
}

} // namespace
} // namespace bulkhead::hv::test
