// Every scheduler's descriptor: what a loader reads before it runs any of the policy's code.
#include "tests/policy/plugin_file.hpp"

#include <gtest/gtest.h>

namespace bulkhead::policy_test {
namespace {

std::string test_name(const testing::TestParamInfo<std::filesystem::path>& info) {
    return info.param.stem().string();
}

class Descriptor : public testing::TestWithParam<std::filesystem::path> {
  protected:
    void SetUp() override {
        auto file = PluginFile::open(GetParam());
        ASSERT_TRUE(file) << file.error();
        file_ = std::make_unique<PluginFile>(*file);
    }
    const plugin::Descriptor& descriptor() const { return file_->descriptor(); }
    std::unique_ptr<PluginFile> file_;
};

TEST_P(Descriptor, NameIsTheFilesName) { EXPECT_EQ(file_->name(), GetParam().stem()); }

TEST_P(Descriptor, TextsAreThere) {
    for (const char* text :
         {descriptor().summary, descriptor().good_at, descriptor().bad_at, descriptor().source}) {
        ASSERT_NE(text, nullptr);
        EXPECT_STRNE(text, "");
    }
}

TEST_P(Descriptor, ParametersAreSane) {
    ASSERT_LE(descriptor().parameter_count, plugin::max_parameters);
    for (std::uint32_t i = 0; i < descriptor().parameter_count; ++i) {
        const plugin::Parameter& parameter = descriptor().parameters[i];
        EXPECT_STRNE(parameter.name, "");
        EXPECT_STRNE(parameter.unit, "");
        EXPECT_STRNE(parameter.help, "");
        EXPECT_LT(parameter.least, parameter.most) << parameter.name;
        EXPECT_GE(parameter.initial, parameter.least) << parameter.name;
        EXPECT_LE(parameter.initial, parameter.most) << parameter.name;
        for (std::uint32_t j = 0; j < i; ++j)
            EXPECT_STRNE(parameter.name, descriptor().parameters[j].name);
    }
}

TEST_P(Descriptor, TypesHaveTheirBaseAndStaySmall) {
    EXPECT_GE(descriptor().vcpu_bytes, sizeof(sched::Vcpu));
    EXPECT_GE(descriptor().pcpu_bytes, sizeof(sched::Pcpu));
    EXPECT_GE(descriptor().domain_bytes, sizeof(sched::Domain));
    EXPECT_GE(descriptor().policy_bytes, 1U);
    EXPECT_LE(descriptor().vcpu_bytes, 512U);
    EXPECT_LE(descriptor().domain_bytes, 512U);
    EXPECT_LE(descriptor().pcpu_bytes, 4096U);
    EXPECT_LE(descriptor().policy_bytes, 16'384U);
}

TEST_P(Descriptor, EveryHookIsThere) {
    const sched::Hooks& hooks = file_->hooks();
    EXPECT_TRUE(hooks.create && hooks.create_domain && hooks.create_vcpu && hooks.create_pcpu);
    EXPECT_TRUE(hooks.attach && hooks.detach && hooks.wake && hooks.deschedule && hooks.pick);
    EXPECT_TRUE(hooks.place && hooks.charge && hooks.tune);
}

INSTANTIATE_TEST_SUITE_P(Schedulers, Descriptor, testing::ValuesIn(scheduler_files()), test_name);

TEST(SchedulerFiles, AreFound) { EXPECT_GE(scheduler_files().size(), 3U); }

} // namespace
} // namespace bulkhead::policy_test
