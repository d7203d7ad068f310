// The host of schedulers in a world of its own, with one pCPU: whatever hook fails, the fallback has every
// vCPU in its state and goes on.
#include "tests/unit/host_ground.hpp"

#include <gtest/gtest.h>

namespace bulkhead::host_test {
namespace {

using Hook = sched::Hook;
using Host = host::SchedulerHost<SchedulerWorld>;

class Scheduling : public testing::Test {
  protected:
    static constexpr std::uint16_t count = 3;

    Scheduling() {
        for (std::uint16_t i = 0; i < SchedulerMachine::most_vcpus; ++i) {
            machine_.vcpus[i].id = VcpuId{i};
            machine_.vcpus[i].domain = &machine_.domain;
            machine_.vcpus[i].sched.slot = i;
        }
    }
    // Every vCPU that waits runs once.
    [[nodiscard]] std::uint32_t run_all() {
        std::uint32_t ran = 0;
        for (std::uint32_t i = 0; i < count; ++i) {
            const auto choice = host_.pick(machine_.pcpu, ground_.now, nullptr);
            if (choice.vcpu == nullptr)
                break;
            ++ran;
            host_.start_running(*choice.vcpu, PcpuId{0});
            ground_.now += choice.slice;
            host_.stop(*choice.vcpu, sched::Stop::blocked, choice.slice, ground_.now);
        }
        return ran;
    }
    TestGround ground_;
    SchedulerMachine machine_;
    Host host_{SchedulerWorld{{&ground_}, &machine_}};
};

// As the fallback, but not the built-in one: it may be blamed.
const Plugin copy_of_fallback() {
    static const plugin::Descriptor copy = host::fallback_scheduler();
    return {&copy};
}

class SchedulerFault : public Scheduling, public testing::WithParamInterface<Hook> {};

TEST_P(SchedulerFault, LosesNoVcpu) {
    host_.start(copy_of_fallback(), nullptr);
    ground_.fail_in(GetParam());
    if (GetParam() == Hook::create) {
        ASSERT_TRUE(host_.replace(copy_of_fallback(), nullptr));
    }
    for (std::size_t i = 0; i < count; ++i)
        ASSERT_TRUE(host_.attach(machine_.vcpus[i]));
    for (int round = 0; round < 2; ++round) {
        for (std::size_t i = 0; i < count; ++i)
            host_.wake(machine_.vcpus[i], ground_.now);
        host_.tune(machine_.domain);
        host_.charge(machine_.vcpus[0], microseconds(1));
        EXPECT_EQ(run_all(), count);
    }
    host_.detach(machine_.vcpus[0]);
    EXPECT_TRUE(host_.is_built_in());
    EXPECT_EQ(ground_.ejections, 1U);
    EXPECT_EQ(ground_.report.hook, static_cast<std::uint32_t>(GetParam()));
}
INSTANTIATE_TEST_SUITE_P(Hooks, SchedulerFault,
                         testing::Values(Hook::create, Hook::attach, Hook::detach, Hook::wake,
                                         Hook::deschedule, Hook::pick, Hook::tune, Hook::charge));

TEST_F(Scheduling, WithoutMemoryForTheSuccessorsObjectASwapIsRefused) {
    host_.start(copy_of_fallback(), nullptr);
    for (std::size_t i = 0; i < count; ++i)
        ASSERT_TRUE(host_.attach(machine_.vcpus[i]));
    for (std::size_t i = 0; i < count; ++i)
        host_.wake(machine_.vcpus[i], ground_.now);
    ground_.refuse_pages(1);
    EXPECT_FALSE(host_.replace({&host::fallback_scheduler()}, nullptr));
    ground_.refuse_pages(0);
    EXPECT_FALSE(host_.is_built_in());
    EXPECT_EQ(run_all(), count);
}

} // namespace
} // namespace bulkhead::host_test
