// The control plane's share: what the host runs by itself, what the policy hears of it, and what the share
// bounds.
#include "plugin/turns.hpp"
#include "tests/unit/host_ground.hpp"

#include <gtest/gtest.h>
#include <vector>

namespace bulkhead::host_test {
namespace {

using Host = host::SchedulerHost<SchedulerWorld>;
using sched::Stop;

struct Heard {
    VcpuId vcpu;
    Stop why;
    Nanos ran;
};

// Round robin with turns of 10 ms; notes what it hears.
template<bool weights>
class Listener : public sched::Policy {
  public:
    struct Vcpu : sched::Vcpu, plugin::TurnHook<> {};
    static constexpr bool honours_weights = weights;
    static constexpr sched::Text text{
        .name = "listener", .summary = "-", .good_at = "-", .bad_at = "-", .source = "-"};
    static inline std::vector<Heard> heard;

    explicit Listener(const sched::Setup<Listener>&) {}
    void attach(Vcpu&) {}
    void detach(Vcpu&) {}
    void wake(Vcpu& vcpu, RealTime) { queue_.push_back(vcpu); }
    void deschedule(Vcpu& vcpu, Stop why, Nanos ran, RealTime) {
        heard.push_back({vcpu.id, why, ran});
        if (vcpu.waits())
            queue_.erase(vcpu);
        else if (still_runnable(why))
            queue_.push_back(vcpu);
    }
    sched::Decision pick(Pcpu& pcpu, RealTime) {
        Vcpu* const next = queue_.first_for(pcpu.id);
        if (next == nullptr)
            return sched::Decision::idle();
        queue_.erase(*next);
        return {next, milliseconds(10)};
    }

  private:
    plugin::Turns<Vcpu> queue_;
};
using Equal = Listener<false>;
using Weighted = Listener<true>;

template<class P>
Plugin plugin_of() {
    return {&sched::Registration<P>::descriptor};
}

class Control : public testing::Test {
  protected:
    static constexpr std::uint32_t per_cent = 25;
    static constexpr Nanos bucket = microseconds(2'500);

    Control() {
        Equal::heard.clear();
        Weighted::heard.clear();
        control_domain_.sched.share = per_cent;
        control_domain_.sched.slot = 1;
        for (std::uint16_t i = 0; i < 4; ++i) {
            machine_.vcpus[i].id = VcpuId{i};
            machine_.vcpus[i].domain = i == 0 ? &control_domain_ : &machine_.domain;
            machine_.vcpus[i].sched.slot = i;
            machine_.vcpus[i].sched.affinity = 1;
        }
    }
    void begin(const Plugin& plugin) {
        host_.start(plugin, nullptr);
        for (std::size_t i = 0; i < 4; ++i)
            ASSERT_TRUE(host_.attach(machine_.vcpus[i]));
        for (std::size_t i = 1; i < 4; ++i)
            host_.wake(machine_.vcpus[i], ground_.now);
    }
    SchedulerMachine::Vcpu& run() {
        const auto choice = host_.pick(machine_.pcpus[0], ground_.now, nullptr);
        host_.start_running(*choice.vcpu, PcpuId{0});
        ends_ = ground_.now + choice.slice;
        return *choice.vcpu;
    }
    void stop(SchedulerMachine::Vcpu& vcpu, Stop why, Nanos ran) {
        ground_.now += ran;
        host_.stop(vcpu, why, ran, ground_.now);
    }

    TestGround ground_;
    SchedulerMachine::Domain control_domain_{.id = DomainId{0}, .sched = {}};
    SchedulerMachine machine_;
    SchedulerMachine::Vcpu& control_ = machine_.vcpus[0];
    Host host_{SchedulerWorld{{&ground_}, &machine_}};
    RealTime ends_{};
};

TEST_F(Control, RunsAtOnceAndTheTurnGoesOnAfterwards) {
    begin(plugin_of<Equal>());
    auto& hog = run();
    const auto end = ends_;
    machine_.asked[0] = false;
    host_.wake(control_, ground_.now);
    EXPECT_TRUE(machine_.asked[0]);
    stop(hog, Stop::preempted, milliseconds(3));
    ASSERT_EQ(&run(), &control_);
    EXPECT_EQ(ends_ - ground_.now, bucket);
    stop(control_, Stop::blocked, milliseconds(1));
    EXPECT_TRUE(Equal::heard.empty());
    ASSERT_EQ(&run(), &hog);
    EXPECT_EQ(ends_, end) << "the turn ends when the policy said";
    stop(hog, Stop::slice_end, milliseconds(6));
    ASSERT_EQ(Equal::heard.size(), 1U);
    EXPECT_EQ(Equal::heard[0].ran, milliseconds(9));
}

TEST_F(Control, IsThePolicysWhereWeightsCount) {
    begin(plugin_of<Weighted>());
    auto& hog = run();
    host_.wake(control_, ground_.now);
    stop(hog, Stop::preempted, milliseconds(1));
    EXPECT_EQ(Weighted::heard.size(), 1U);
    EXPECT_NE(&run(), &control_);
}

// It never sleeps: its share, and one turn among four. The others' turns are equal.
TEST_F(Control, GetsItsShareAndItsTurnAndNoMore) {
    begin(plugin_of<Equal>());
    host_.wake(control_, ground_.now);
    Nanos total{}, on_share{};
    constexpr Nanos length = milliseconds(4'000);
    const RealTime start = ground_.now;
    while (ground_.now - start < length) {
        auto& vcpu = run();
        const Nanos slice = ends_ - ground_.now;
        if (&vcpu == &control_) {
            total += slice;
            on_share += vcpu.sched.hold == host::Hold::control ? slice : Nanos{};
        }
        stop(vcpu, Stop::slice_end, slice);
    }
    const Nanos share = length * per_cent / 100;
    EXPECT_GE(total, share + (length - share) / 5);
    EXPECT_LE(on_share, share + bucket);
    EXPECT_LE(total - on_share, length / 4);
    Nanos others[4]{};
    for (const Heard& each : Equal::heard)
        others[each.vcpu.value()] += each.ran;
    EXPECT_NEAR(static_cast<double>(others[1].count()), static_cast<double>(others[3].count()), 20e6);
}

// With pCPU 1 beside: the policy may choose it there while it runs on its share, or waits to.
TEST_F(Control, IsChosenWhileItIsOnItsShare) {
    control_.sched.affinity = 3;
    begin(plugin_of<Equal>());
    host_.wake(control_, ground_.now);
    for (int i = 0; i < 3; ++i) { // beyond its share: it has a place
        auto& vcpu = run();
        stop(vcpu, Stop::slice_end, ends_ - ground_.now);
    }
    ground_.now += milliseconds(5);
    while (&run() != &control_)
        stop(machine_.vcpus[1], Stop::slice_end, milliseconds(1));
    const auto other = host_.pick(machine_.pcpus[1], ground_.now, nullptr);
    EXPECT_EQ(other.vcpu, nullptr);
    EXPECT_EQ(ground_.ejections, 0U);
    stop(control_, Stop::slice_end, ends_ - ground_.now);
    EXPECT_EQ(ground_.ejections, 0U);
}

TEST_F(Control, APausedTurnIsToldWithWhatItRan) {
    begin(plugin_of<Equal>());
    auto& hog = run();
    host_.wake(control_, ground_.now);
    stop(hog, Stop::preempted, milliseconds(3));
    ASSERT_EQ(&run(), &control_);
    host_.withdraw(hog, Stop::paused, ground_.now);
    ASSERT_EQ(Equal::heard.size(), 1U);
    EXPECT_EQ(Equal::heard[0].why, Stop::paused);
    EXPECT_EQ(Equal::heard[0].ran, milliseconds(3));
    stop(control_, Stop::blocked, microseconds(100));
    EXPECT_NE(&run(), &hog);
}

TEST_F(Control, AKickOfThePolicyEndsTheTurn) {
    begin(plugin_of<Equal>());
    auto& hog = run();
    host_.wake(control_, ground_.now);
    stop(hog, Stop::preempted, milliseconds(3));
    ASSERT_EQ(&run(), &control_);
    machine_.pcpus[0].sched.until = RealTime{}; // what a world does then
    stop(control_, Stop::blocked, microseconds(100));
    EXPECT_NE(&run(), &hog);
    ASSERT_EQ(Equal::heard.size(), 1U);
    EXPECT_EQ(Equal::heard[0].why, Stop::preempted);
}

class ControlSwap : public Control, public testing::WithParamInterface<bool> {};

// In the middle of an interruption, and with the fallback as a successor.
TEST_P(ControlSwap, LosesNoVcpu) {
    begin(plugin_of<Equal>());
    auto& hog = run();
    host_.wake(control_, ground_.now);
    stop(hog, Stop::preempted, milliseconds(3));
    ASSERT_EQ(&run(), &control_);
    if (GetParam()) {
        ground_.fail_in(sched::Hook::charge);
        host_.charge(hog, microseconds(1));
        ASSERT_TRUE(host_.is_built_in());
        stop(control_, Stop::slice_end, microseconds(100));
    } else {
        stop(control_, Stop::preempted, microseconds(100));
        ASSERT_TRUE(host_.replace(plugin_of<Weighted>(), nullptr));
    }
    std::vector<const void*> ran;
    for (int i = 0; i < 4; ++i) {
        auto& vcpu = run();
        ran.push_back(&vcpu);
        stop(vcpu, Stop::blocked, microseconds(100));
    }
    for (std::size_t i = 0; i < 4; ++i)
        EXPECT_EQ(std::count(ran.begin(), ran.end(), &machine_.vcpus[i]), 1) << i;
    EXPECT_EQ(host_.pick(machine_.pcpus[0], ground_.now, nullptr).vcpu, nullptr);
}
INSTANTIATE_TEST_SUITE_P(Successors, ControlSwap, testing::Bool(), [](const auto& chosen) {
    return chosen.param ? "TheFallback" : "APolicyWithWeights";
});

} // namespace
} // namespace bulkhead::host_test
