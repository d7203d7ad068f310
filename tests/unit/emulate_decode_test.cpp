// The decoder: lengths and operands of what it knows, refusal of what it doesn't, never a byte too many.
#include "hv/trap/emulate_decode.hpp"

#include <gtest/gtest.h>
#include <vector>

namespace bulkhead::hv {
namespace {

using Bytes = std::vector<std::uint8_t>;

std::optional<Instruction> decode64(const Bytes& bytes) { return decode(bytes, true); }

struct Known {
    const char* text;
    Bytes bytes;
    std::uint32_t opcode;
};

// Encodings as the GNU assembler makes them.
const Known known[] = {
    {"cpuid", {0x0f, 0xa2}, 0x0fa2},
    {"rdmsr", {0x0f, 0x32}, 0x0f32},
    {"wrmsr", {0x0f, 0x30}, 0x0f30},
    {"hlt", {0xf4}, 0xf4},
    {"in (%dx),%al", {0xec}, 0xec},
    {"in (%dx),%ax", {0x66, 0xed}, 0xed},
    {"out %al,$0x80", {0xe6, 0x80}, 0xe6},
    {"rep insw", {0xf3, 0x66, 0x6d}, 0x6d},
    {"mov %r15,%cr4", {0x41, 0x0f, 0x22, 0xe7}, 0x0f22},
    {"mov %cr3,%rax", {0x0f, 0x20, 0xd8}, 0x0f20},
    {"clts", {0x0f, 0x06}, 0x0f06},
    {"invlpg (%rdi)", {0x0f, 0x01, 0x3f}, 0x0f01},
    {"xsetbv", {0x0f, 0x01, 0xd1}, 0x0f01d1},
    {"swapgs", {0x0f, 0x01, 0xf8}, 0x0f01f8},
    {"int $0x80", {0xcd, 0x80}, 0xcd},
    {"mov %rax,(%rdi)", {0x48, 0x89, 0x07}, 0x89},
    {"mov %rax,0x10(%r12)", {0x49, 0x89, 0x44, 0x24, 0x10}, 0x89},
    {"mov %rax,0x12345678(%rip)", {0x48, 0x89, 0x05, 0x78, 0x56, 0x34, 0x12}, 0x89},
    {"mov %rcx,(%rbx,%r9,8)", {0x4a, 0x89, 0x0c, 0xcb}, 0x89},
    {"movq $-1,(%rax)", {0x48, 0xc7, 0x00, 0xff, 0xff, 0xff, 0xff}, 0xc7},
    {"movw $0x1234,(%rax)", {0x66, 0xc7, 0x00, 0x34, 0x12}, 0xc7},
    {"mov %rax,0x12345678", {0x48, 0x89, 0x04, 0x25, 0x78, 0x56, 0x34, 0x12}, 0x89},
    {"xchg %rax,(%rdi)", {0x48, 0x87, 0x07}, 0x87},
    {"lock cmpxchg %rsi,(%rdi)", {0xf0, 0x48, 0x0f, 0xb1, 0x37}, 0x0fb1},
    {"lock btrq $1,(%rdi)", {0xf0, 0x48, 0x0f, 0xba, 0x37, 0x01}, 0x0fba},
    {"lock andb $0xfd,(%rdi)", {0xf0, 0x80, 0x27, 0xfd}, 0x80},
};

TEST(Decode, KnowsTheWholeInstruction) {
    for (const auto& [text, bytes, opcode] : known) {
        Bytes longer = bytes;
        longer.insert(longer.end(), 15 - longer.size(), 0x90);
        const auto found = decode64(longer);
        ASSERT_TRUE(found) << text;
        EXPECT_EQ(found->opcode, opcode) << text;
        EXPECT_EQ(found->length, bytes.size()) << text;
    }
}

TEST(Decode, RefusesEveryTruncation) {
    for (const auto& [text, bytes, opcode] : known)
        for (std::size_t length = 0; length < bytes.size(); ++length)
            EXPECT_FALSE(decode64(Bytes(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(length))))
                << text << " cut to " << length << " bytes";
}

TEST(Decode, FindsOperands) {
    const auto store = decode64({0x4a, 0x89, 0x4c, 0xcb, 0xf0}); // mov %rcx,-0x10(%rbx,%r9,8)
    ASSERT_TRUE(store && store->memory);
    EXPECT_EQ(store->operand_bytes, 8);
    EXPECT_EQ(store->reg, 1);
    EXPECT_EQ(store->memory->base, 3);
    EXPECT_EQ(store->memory->index, 9);
    EXPECT_EQ(store->memory->scale, 3);
    EXPECT_EQ(store->memory->displacement, -16);
    const auto absolute = decode64({0x48, 0x89, 0x04, 0x25, 0x78, 0x56, 0x34, 0x12});
    ASSERT_TRUE(absolute && absolute->memory);
    EXPECT_EQ(absolute->memory->base, Instruction::Memory::none);
    EXPECT_EQ(absolute->memory->index, Instruction::Memory::none);
    EXPECT_EQ(absolute->memory->displacement, 0x12345678);
    const auto relative = decode64({0x48, 0x89, 0x05, 0, 0, 0, 0});
    ASSERT_TRUE(relative && relative->memory);
    EXPECT_TRUE(relative->memory->rip_relative);
    const auto negative = decode64({0x48, 0x83, 0x27, 0xfe}); // andq $-2,(%rdi)
    ASSERT_TRUE(negative);
    EXPECT_EQ(negative->immediate, -2);
    EXPECT_EQ(negative->reg, 4);
}

TEST(Decode, ControlRegisterMovesIgnoreTheModeBits) {
    const auto found = decode64({0x0f, 0x20, 0x18}); // the processor takes ModRM.mod for 3
    ASSERT_TRUE(found);
    EXPECT_FALSE(found->memory);
    EXPECT_EQ(found->length, 3);
    EXPECT_EQ(found->reg, 3);
}

TEST(Decode, PrefixesAreBounded) {
    EXPECT_FALSE(decode64(Bytes(15, 0x66)));
    Bytes longest(14, 0x66);
    longest.push_back(0xf4);
    ASSERT_TRUE(decode64(longest));
    EXPECT_EQ(decode64(longest)->length, 15);
    Bytes too_long(15, 0x66);
    too_long.push_back(0xf4);
    EXPECT_FALSE(decode64(too_long));
}

TEST(Decode, RexCountsOnlyRightBeforeTheOpcode) {
    EXPECT_FALSE(decode64({0x48, 0x66, 0xed}))
        << "0x66 after REX is a new prefix for the processor; such code is unknown here";
    EXPECT_FALSE(decode({std::array<std::uint8_t, 3>{0x48, 0x89, 0x07}}, false))
        << "0x48 is DEC outside long mode";
}

TEST(Decode, OutsideLongMode) {
    const std::array<std::uint8_t, 6> absolute{0x89, 0x05, 0x78, 0x56, 0x34, 0x12};
    const auto found = decode(absolute, false);
    ASSERT_TRUE(found && found->memory);
    EXPECT_FALSE(found->memory->rip_relative);
    EXPECT_EQ(found->address_bytes, 4);
    const std::array<std::uint8_t, 4> short_address{0x67, 0x89, 0x07, 0x90};
    EXPECT_FALSE(decode(short_address, false));
}

TEST(Decode, RefusesWhatItDoesNotKnow) {
    for (const Bytes& bytes : {Bytes{0x90}, Bytes{0xc3}, Bytes{0x0f, 0x05}, Bytes{0x0f, 0x0b}, Bytes{0xca},
                               Bytes{0x8e, 0xd8}, Bytes{0xc4, 0xe1, 0x78}, Bytes{}})
        EXPECT_FALSE(decode64(bytes));
}

} // namespace
} // namespace bulkhead::hv
