// Stores of a guest's kernel into its page tables: carried out through validation, or the guest's own page
// fault.
#include "traps_world.hpp"

#include <gtest/gtest.h>

namespace bulkhead::hv::test {
namespace {

// A store of the kernel into a page table: the frame at `table` is mapped read-only.
struct PageTable : testing::Test, Guest {
    static constexpr std::uint64_t table_at = 0xffff888000004000;
    PageTable() {
        map(table_at, false);
        regs().rdi = table_at + 8;
        regs().rsi = 0x1111222233334444;
        regs().rax = 0x8000000000000067;
        poke(table_at + 8, std::uint64_t{0x8000000000000067});
    }
    void store(std::initializer_list<int> bytes) {
        code(bytes);
        regs().vector = vector::page_fault;
        regs().error = page_fault::present | page_fault::write | page_fault::user;
        handle_guest_trap(vcpu(), table_at + 8);
    }
};

TEST_F(PageTable, Move) {
    store({0x48, 0x89, 0x37}); // mov %rsi,(%rdi)
    EXPECT_TRUE(finished(3));
    EXPECT_EQ(page_table_writes, (std::vector{PageTableWrite{table_at + 8, 0x1111222233334444, 8}}));
    EXPECT_EQ(peek(table_at + 8), 0x8000000000000067U) << "only validation writes";
}

TEST_F(PageTable, MoveOfAConstantAndOfHalfAnEntry) {
    store({0x48, 0xc7, 0x07, 0xff, 0xff, 0xff, 0xff}); // movq $-1,(%rdi)
    EXPECT_EQ(page_table_writes.back(), (PageTableWrite{table_at + 8, ~0ULL, 8}));
    regs().rip = Guest::kernel_code;
    store({0x89, 0x37}); // mov %esi,(%rdi)
    EXPECT_EQ(page_table_writes.back(), (PageTableWrite{table_at + 8, 0x33334444, 4}));
}

TEST_F(PageTable, Exchange) {
    store({0x48, 0x87, 0x37}); // xchg %rsi,(%rdi)
    EXPECT_TRUE(finished(3));
    EXPECT_EQ(page_table_writes.back().value, 0x1111222233334444U);
    EXPECT_EQ(regs().rsi, 0x8000000000000067U);
}

TEST_F(PageTable, CompareExchangeThatMatches) {
    store({0xf0, 0x48, 0x0f, 0xb1, 0x37});
    EXPECT_TRUE(finished(5));
    EXPECT_EQ(page_table_writes.back().value, 0x1111222233334444U);
    EXPECT_NE(regs().rflags & 0x40, 0U);
    EXPECT_EQ(regs().rax, 0x8000000000000067U);
}

TEST_F(PageTable, CompareExchangeThatDoesNot) {
    regs().rax = 5;
    store({0xf0, 0x48, 0x0f, 0xb1, 0x37});
    EXPECT_EQ(page_table_writes.back().value, 0x8000000000000067U);
    EXPECT_EQ(regs().rax, 0x8000000000000067U);
    EXPECT_EQ(regs().rflags & 0x40, 0U);
    EXPECT_NE(regs().rflags & 1, 0U) << "5 is below";
}

TEST_F(PageTable, BitsAndMasks) {
    store({0xf0, 0x48, 0x0f, 0xba, 0x37, 0x01}); // lock btrq $1
    EXPECT_EQ(page_table_writes.back().value, 0x8000000000000065U);
    EXPECT_NE(regs().rflags & 1, 0U);
    regs().rip = Guest::kernel_code;
    store({0xf0, 0x80, 0x27, 0xfd}); // lock andb $0xfd
    EXPECT_EQ(page_table_writes.back(), (PageTableWrite{table_at + 8, 0x65, 1}));
    regs().rip = Guest::kernel_code;
    store({0xf0, 0x48, 0x09, 0x37}); // lock or %rsi
    EXPECT_EQ(page_table_writes.back().value, 0x8000000000000067 | 0x1111222233334444U);
    EXPECT_EQ(regs().rflags & 0x80, 0x80U);
    regs().rip = Guest::kernel_code;
    store({0xf0, 0x48, 0x0f, 0xb3, 0x37}); // lock btr %rsi: bit number beyond the entry
    EXPECT_TRUE(took(vector::page_fault));
}

TEST_F(PageTable, StringStoreWithoutRepeat) {
    store({0x48, 0xab});
    EXPECT_EQ(page_table_writes.back().value, 0x8000000000000067U);
    EXPECT_EQ(regs().rdi, table_at + 16);
    EXPECT_TRUE(finished(2));
}

TEST_F(PageTable, WhatIsNoTableIsAPageFault) {
    page_table_answer = false;
    store({0x48, 0x87, 0x37});
    ASSERT_TRUE(took(vector::page_fault));
    EXPECT_EQ(word(2), page_fault::present | page_fault::write);
    EXPECT_EQ(regs().rsi, 0x1111222233334444U) << "the instruction did not happen";
}

TEST_F(PageTable, ForbiddenEntryIsAPageFaultAndAnUnfinishedOneIsRetried) {
    page_table_answer = std::unexpected{Error::restart};
    store({0x48, 0x89, 0x37});
    EXPECT_TRUE(finished(0));
    page_table_answer = std::unexpected{Error::invalid};
    store({0x48, 0x89, 0x37});
    EXPECT_TRUE(took(vector::page_fault));
}

TEST_F(PageTable, NotForApplicationsNorOtherAddressesNorOddOnes) {
    in_user_mode();
    store({0x48, 0x89, 0x37});
    EXPECT_TRUE(took(vector::page_fault));
    vcpu().processor.in_kernel = true;
    regs().rip = Guest::kernel_code;
    regs().rsp = Guest::kernel_stack;
    regs().rdi += 8; // the operand is not what faulted
    store({0x48, 0x89, 0x37});
    EXPECT_TRUE(took(vector::page_fault));
    EXPECT_TRUE(page_table_writes.empty());
}

} // namespace
} // namespace bulkhead::hv::test
