// What guests see of the processor, and that the documentation says the same.
#include "hv/trap/cpu_policy.hpp"
#include "traps_world.hpp"

#include <cstdio>
#include <fstream>
#include <gtest/gtest.h>
#include <set>
#include <sstream>

namespace bulkhead::hv::test {
namespace {

const char* const outputs[] = {"eax", "ebx", "ecx", "edx"};
const char* const rules[] = {"as the processor", "always", "never", "follows CR4"};

std::string hexadecimal(std::uint32_t value) {
    char text[16];
    std::snprintf(text, sizeof text, "0x%x", value);
    return text;
}

// The rows of docs/cpu-policy.md, as the tables have them.
std::vector<std::string> expected_rows() {
    std::vector<std::string> rows;
    for (const auto& row : feature_table()) {
        std::ostringstream line;
        line << "| " << hexadecimal(row.leaf) << "." << row.subleaf << " | "
             << outputs[static_cast<int>(row.output)] << "[" << +row.bit << "] | " << row.name << " | "
             << rules[static_cast<int>(row.rule)] << " | " << row.why << " |";
        rows.push_back(line.str());
    }
    for (const auto& row : msr_table())
        rows.push_back("| " + hexadecimal(row.index) + " | " + row.name + " | " + row.read + " | " +
                       (*row.write ? row.write : "#GP") + " |");
    return rows;
}

TEST(CpuPolicyDocument, HoldsExactlyTheRowsOfTheTables) {
    std::ifstream file{BULKHEAD_SOURCE_DIR "/docs/cpu-policy.md"};
    ASSERT_TRUE(file);
    std::vector<std::string> rows;
    for (std::string line; std::getline(file, line);)
        if (line.starts_with("| 0x"))
            rows.push_back(line);
    const auto expected = expected_rows();
    std::ostringstream wanted;
    for (const auto& row : expected)
        wanted << row << "\n";
    EXPECT_EQ(rows, expected) << "the document's tables must be:\n" << wanted.str();
}

TEST(CpuPolicyTable, EveryBitOnceAndEveryRefusalExplained) {
    std::set<std::tuple<std::uint32_t, std::uint32_t, Output, int>> bits;
    for (const auto& row : feature_table()) {
        EXPECT_TRUE(bits.insert({row.leaf, row.subleaf, row.output, row.bit}).second) << row.name;
        if (row.rule == Rule::absent) {
            EXPECT_STRNE(row.why, "") << row.name;
        }
    }
    std::set<std::uint32_t> indices;
    for (const auto& row : msr_table())
        EXPECT_TRUE(indices.insert(row.index).second) << row.name;
}

TEST(Cpuid, OnlyFeaturesOfTheTable) {
    Guest guest; // on a processor that claims every bit
    const auto leaf1 = guest_cpuid(guest.vcpu(), 1, 0);
    for (const unsigned bit : {3U, 5U, 17U, 21U, 24U, 27U})
        EXPECT_FALSE(leaf1.c >> bit & 1) << bit;
    EXPECT_TRUE(leaf1.c >> 31);
    EXPECT_FALSE(leaf1.d & 1U << 12) << "MTRR";
    const auto leaf7 = guest_cpuid(guest.vcpu(), 7, 0);
    EXPECT_EQ(leaf7.a, 0U);
    for (const unsigned bit : {0U, 7U, 10U, 16U, 20U, 21U})
        EXPECT_FALSE(leaf7.b >> bit & 1) << bit;
    EXPECT_TRUE(leaf7.b >> 5 & 1) << "AVX2";
    EXPECT_FALSE(leaf7.c >> 16 & 1) << "LA57";
    EXPECT_EQ(guest_cpuid(guest.vcpu(), 7, 1).a, 0U);
}

TEST(Cpuid, NothingTheProcessorLacks) {
    Guest guest;
    guest.cpuid[1ULL << 32] = {0, 0, 0, 0};
    const auto leaf = guest_cpuid(guest.vcpu(), 1, 0);
    EXPECT_EQ(leaf.c, 1U << 31) << "HYPERVISOR alone is always there";
    EXPECT_EQ(leaf.d, 0U);
}

TEST(Cpuid, OsxsaveFollowsTheGuest) {
    Guest guest;
    guest.vcpu().processor.cr4 = 1 << 18;
    EXPECT_TRUE(guest_cpuid(guest.vcpu(), 1, 0).c >> 27 & 1);
}

TEST(Cpuid, SaveAreaCoversWhatContextsKeep) {
    Guest guest;
    const auto main = guest_cpuid(guest.vcpu(), 13, 0);
    EXPECT_EQ(main.a, 7U);
    EXPECT_EQ(main.b, 0x340U);
    EXPECT_EQ(main.c, 0x340U);
    EXPECT_EQ(guest_cpuid(guest.vcpu(), 13, 2).b, 0x240U);
    EXPECT_EQ(guest_cpuid(guest.vcpu(), 13, 5).a, 0U) << "AVX-512 state is not kept";
    EXPECT_EQ(guest_cpuid(guest.vcpu(), 13, 1).a, 7U);
    guest.cpuid[1ULL << 32].c = 0;
    EXPECT_EQ(guest_cpuid(guest.vcpu(), 13, 0).a, 0U);
}

TEST(Cpuid, LeavesBeyondTheLastAreZero) {
    Guest guest;
    EXPECT_EQ(guest_cpuid(guest.vcpu(), 0, 0).a, 13U);
    EXPECT_EQ(guest_cpuid(guest.vcpu(), 0x80000000, 0).a, 0x80000008U);
    for (const std::uint32_t leaf : {5U, 10U, 11U, 14U, 0x8000000aU, 0x40000006U, 0x40000100U, 0xffffffffU}) {
        const auto value = guest_cpuid(guest.vcpu(), leaf, 0);
        EXPECT_EQ(value.a | value.b | value.c | value.d, 0U) << std::hex << leaf;
    }
}

TEST(Cpuid, HypervisorLeaves) {
    Guest guest;
    const auto signature = guest_cpuid(guest.vcpu(), 0x40000000, 0);
    EXPECT_EQ(signature.a, 0x40000005U);
    char name[13]{};
    std::memcpy(name, &signature.b, 12);
    EXPECT_STREQ(name, "XenVMMXenVMM");
    EXPECT_EQ(guest_cpuid(guest.vcpu(), 0x40000001, 0).a, 0x00040011U);
    EXPECT_EQ(guest_cpuid(guest.vcpu(), 0x40000003, 0).c, 2'000'000U) << "kHz";
    EXPECT_EQ(guest_cpuid(guest.vcpu(), 0x40000003, 1).c, 0x80000000U);
    EXPECT_EQ(guest_cpuid(guest.vcpu(), 0x40000005, 0).b, 0x28U) << "bits of a machine address";
}

TEST(Cpuid, TopologySaysNothingButTheVcpu) {
    Guest guest;
    guest.vcpu().id = VcpuId{3};
    const auto leaf = guest_cpuid(guest.vcpu(), 1, 0);
    EXPECT_EQ(leaf.b >> 24, 6U);
    EXPECT_EQ(leaf.b & 0x00ff00ff, 0U);
    EXPECT_EQ(guest_cpuid(guest.vcpu(), 4, 0).a & ~0x3fffU, 0U);
}

TEST(Msr, ReadsAndWritesAreAsTheTableSays) {
    Guest guest;
    for (const auto& row : msr_table()) {
        const auto value = read_msr(guest.vcpu(), row.index);
        EXPECT_TRUE(value) << row.name << " has no value";
        if (value) {
            EXPECT_EQ(write_msr(guest.vcpu(), row.index, *value), *row.write != '\0') << row.name;
        }
    }
    for (const std::uint32_t index :
         {0x48U, 0x6e0U, 0x17U, 0xfeU, 0x200U, 0x40000000U, 0xc0000103U, 0xc0000105U})
        EXPECT_TRUE(!read_msr(guest.vcpu(), index) && !write_msr(guest.vcpu(), index, 0))
            << std::hex << index;
}

TEST(Msr, ConstantsStayConstant) {
    Guest guest;
    for (const std::uint32_t index : {0x277U, 0xc0000080U, 0x1a0U, 0x8bU})
        EXPECT_FALSE(write_msr(guest.vcpu(), index, *read_msr(guest.vcpu(), index) ^ 1)) << std::hex << index;
}

} // namespace
} // namespace bulkhead::hv::test
