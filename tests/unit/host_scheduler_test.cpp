// The host of schedulers in a world of its own: whatever hook fails, the fallback has every vCPU in its state
// and goes on, and every idle pCPU that a queued vCPU may use is asked.
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
            const auto choice = host_.pick(machine_.pcpus[0], ground_.now, nullptr);
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
    ground_.refuse_pages(1); // the fallback has all that it needs
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
    EXPECT_FALSE(host_.replace(copy_of_fallback(), nullptr));
    ground_.refuse_pages(0);
    EXPECT_FALSE(host_.is_built_in());
    EXPECT_EQ(run_all(), count);
}

TEST_F(Scheduling, WithoutMemoryForItsPartOfEachPcpuASwapIsRefused) {
    host_.start(copy_of_fallback(), nullptr);
    ground_.refuse_pages(2); // the first is the arena's
    EXPECT_FALSE(host_.replace(copy_of_fallback(), nullptr));
    EXPECT_FALSE(host_.is_built_in());
}

// A guest may have taken all memory meanwhile; whatever page is missing, the former policy has every vCPU.
TEST_F(Scheduling, WithoutMemoryForItsPartOfAVcpuASwapIsRefused) {
    host_.start(copy_of_fallback(), nullptr);
    for (std::size_t i = 0; i < SchedulerMachine::most_vcpus; ++i)
        ASSERT_TRUE(host_.attach(machine_.vcpus[i]));
    std::uint32_t nth = 1;
    for (bool swapped = false; !swapped; ++nth) {
        ASSERT_LT(nth, 100U);
        ground_.refuse_pages(nth);
        swapped = host_.replace(copy_of_fallback(), nullptr);
        ground_.refuse_pages(0);
        EXPECT_EQ(ground_.ejections, 0U);
        for (std::size_t i = 0; i < count; ++i)
            host_.wake(machine_.vcpus[i], ground_.now);
        EXPECT_EQ(run_all(), count);
    }
    EXPECT_GT(nth, 4U) << "object, pCPUs, vCPUs and domains were refused once each";
}

TEST_F(Scheduling, AVcpuForWhichTheFallbackHasNoMemoryIsRefused) {
    host_.start(copy_of_fallback(), nullptr);
    for (std::uint32_t nth = 1; nth <= 4; ++nth) {
        ground_.refuse_pages(nth);
        const bool attached = host_.attach(machine_.vcpus[0]);
        ground_.refuse_pages(0);
        EXPECT_EQ(ground_.ejections, 0U);
        if (attached) {
            EXPECT_GT(nth, 1U);
            return;
        }
    }
    FAIL() << "it never had memory";
}

TEST_F(Scheduling, ASuccessorIsNotBlamedForWaitsUnderTheFormerPolicy) {
    host_.start(copy_of_fallback(), nullptr);
    ASSERT_TRUE(host_.attach(machine_.vcpus[0]));
    host_.wake(machine_.vcpus[0], ground_.now);
    ground_.now += milliseconds(5'000);
    ASSERT_TRUE(host_.replace(copy_of_fallback(), nullptr));
    ground_.now += milliseconds(10);
    host_.check_starvation(machine_.domain, ground_.now);
    EXPECT_EQ(ground_.ejections, 0U);
    ground_.now += milliseconds(2'000);
    host_.check_starvation(machine_.domain, ground_.now);
    EXPECT_EQ(ground_.report.ejected, static_cast<std::uint32_t>(plugin::Fault::starvation));
}

TEST_F(Scheduling, TheReportKeepsTheFirstMisconduct) {
    host_.start(copy_of_fallback(), nullptr);
    ground_.fail_in(Hook::tune);
    ASSERT_TRUE(host_.attach(machine_.vcpus[0]));
    host_.tune(machine_.domain);
    ASSERT_TRUE(host_.replace(copy_of_fallback(), nullptr));
    ground_.fail_in(Hook::charge);
    host_.charge(machine_.vcpus[0], microseconds(1));
    EXPECT_EQ(ground_.ejections, 2U);
    EXPECT_EQ(ground_.report.hook, static_cast<std::uint32_t>(Hook::tune));
}

// The vCPU that woke last runs first.
class Stack : public sched::Policy {
  public:
    struct Vcpu : sched::Vcpu, boost::intrusive::list_base_hook<> {};
    static constexpr sched::Text text{
        .name = "stack", .summary = "-", .good_at = "-", .bad_at = "-", .source = "-"};
    explicit Stack(const sched::Setup<Stack>&) {}
    void attach(Vcpu&) {}
    void detach(Vcpu&) {}
    void wake(Vcpu& vcpu, RealTime) { stack_.push_front(vcpu); }
    void deschedule(Vcpu&, sched::Stop, Nanos, RealTime) {}
    sched::Decision pick(Pcpu&, RealTime) {
        if (stack_.empty())
            return sched::Decision::idle();
        Vcpu& last = stack_.front();
        stack_.pop_front();
        return {&last, milliseconds(1)};
    }

  private:
    boost::intrusive::list<Vcpu, boost::intrusive::constant_time_size<false>> stack_;
};

TEST_F(Scheduling, AnOfferIsPassedOnWhenTheAskedPcpuRunsAnotherVcpu) {
    host_.start({&sched::Registration<Stack>::descriptor}, nullptr);
    auto& anywhere = machine_.vcpus[0];
    auto& pinned = machine_.vcpus[1];
    pinned.sched.affinity = 1;
    ASSERT_TRUE(host_.attach(anywhere) && host_.attach(pinned));
    host_.idles(PcpuId{0});
    host_.idles(PcpuId{1});
    host_.wake(anywhere, ground_.now);
    EXPECT_TRUE(machine_.asked[0] && !machine_.asked[1]);
    host_.wake(pinned, ground_.now);
    host_.resumes(PcpuId{0});
    machine_.asked[0] = false;
    EXPECT_EQ(host_.pick(machine_.pcpus[0], ground_.now, nullptr).vcpu, &pinned);
    EXPECT_TRUE(machine_.asked[1]);
}

} // namespace
} // namespace bulkhead::host_test
