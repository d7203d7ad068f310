// The descriptors of memory and ring policies: what a loader reads before it runs any of the policy's code.
#include "host/fallbacks.hpp"
#include "memctl/contract.hpp"
#include "ringctl/contract.hpp"
#include "tests/policy/kinds.hpp"

namespace bulkhead::policy_test {
namespace {

using Case = std::pair<plugin::Kind, std::filesystem::path>;

std::vector<Case> all_files() {
    std::vector<Case> cases;
    for (const plugin::Kind kind : {plugin::Kind::memory, plugin::Kind::ring})
        for (const auto& path : files_of(kind))
            cases.emplace_back(kind, path);
    return cases;
}

class KindDescriptor : public testing::TestWithParam<Case> {
  protected:
    sim::Policy policy_ = opened(GetParam().first, GetParam().second);
    const plugin::Descriptor& descriptor_ = *policy_.descriptor;
};

TEST_P(KindDescriptor, NameIsTheFilesName) { EXPECT_EQ(descriptor_.name, GetParam().second.stem()); }

TEST_P(KindDescriptor, TextsAreThere) {
    for (const char* text :
         {descriptor_.summary, descriptor_.good_at, descriptor_.bad_at, descriptor_.source}) {
        ASSERT_NE(text, nullptr);
        EXPECT_STRNE(text, "");
    }
}

TEST_P(KindDescriptor, ParametersAreSane) {
    ASSERT_LE(descriptor_.parameter_count, plugin::max_parameters);
    ASSERT_LE(descriptor_.domain_parameter_count, plugin::max_domain_parameters);
    std::vector<plugin::Parameter> rows{descriptor_.parameters,
                                        descriptor_.parameters + descriptor_.parameter_count};
    rows.insert(rows.end(), descriptor_.domain_parameters,
                descriptor_.domain_parameters + descriptor_.domain_parameter_count);
    for (const plugin::Parameter& row : rows) {
        EXPECT_STRNE(row.name, "");
        EXPECT_STRNE(row.unit, "");
        EXPECT_STRNE(row.help, "");
        EXPECT_LT(row.least, row.most) << row.name;
        EXPECT_GE(row.initial, row.least) << row.name;
        EXPECT_LE(row.initial, row.most) << row.name;
    }
}

TEST_P(KindDescriptor, TypesHaveTheirBaseAndStaySmall) {
    const bool memory = GetParam().first == plugin::Kind::memory;
    EXPECT_GE(descriptor_.domain_bytes, memory ? sizeof(memctl::Domain) : sizeof(ringctl::Domain));
    EXPECT_LE(descriptor_.domain_bytes, 512U);
    EXPECT_LE(descriptor_.policy_bytes, 16'384U);
    if (memory)
        return;
    const auto& hooks = *static_cast<const ringctl::Hooks*>(descriptor_.hooks);
    EXPECT_GE(hooks.ring_bytes, sizeof(ringctl::Ring));
    EXPECT_GE(hooks.request_bytes, sizeof(ringctl::Request));
    EXPECT_LE(hooks.request_bytes, 512U);
}

TEST_P(KindDescriptor, EveryHookIsThere) {
    if (GetParam().first == plugin::Kind::memory) {
        const auto& hooks = *static_cast<const memctl::Hooks*>(descriptor_.hooks);
        EXPECT_TRUE(hooks.create && hooks.create_domain && hooks.admit && hooks.depart && hooks.choose);
        EXPECT_TRUE(hooks.rebalance && hooks.sample && hooks.reclaim && hooks.tune);
        return;
    }
    const auto& hooks = *static_cast<const ringctl::Hooks*>(descriptor_.hooks);
    EXPECT_TRUE(hooks.create && hooks.create_domain && hooks.create_ring && hooks.create_request);
    EXPECT_TRUE(hooks.attach && hooks.detach && hooks.enqueue && hooks.next);
    EXPECT_TRUE(hooks.complete && hooks.withdraw && hooks.tune);
}

TEST_P(KindDescriptor, AnotherKindIsRefused) {
    const plugin::Kind other =
        GetParam().first == plugin::Kind::memory ? plugin::Kind::ring : plugin::Kind::memory;
    EXPECT_FALSE(sim::PluginFile::open(GetParam().second, other));
    EXPECT_FALSE(sim::PluginFile::open(GetParam().second, plugin::Kind::scheduler));
}

std::string name_of_case(const testing::TestParamInfo<Case>& tested) {
    const bool memory = tested.param.first == plugin::Kind::memory;
    return (memory ? "memory_" : "ring_") + tested.param.second.stem().string();
}
INSTANTIATE_TEST_SUITE_P(All, KindDescriptor, testing::ValuesIn(all_files()), name_of_case);

TEST(KindFiles, AreFound) {
    EXPECT_GE(files_of(plugin::Kind::memory).size(), 8U);
    EXPECT_GE(files_of(plugin::Kind::ring).size(), 8U);
}

} // namespace
} // namespace bulkhead::policy_test
