// Policies that answer wrongly: the machine must name what was wrong, and the fallback must take over.
#include "tests/sim/worlds.hpp"

#include <algorithm>
#include <boost/intrusive/list.hpp>
#include <gtest/gtest.h>

namespace bulkhead::sim_test {
namespace {

enum class Sin { none, blocked, stranger, short_slice, long_slice, short_idle, kick };
Sin sin = Sin::none; // a plug-in may have no globals, but these are none

// Runs everybody in turn until it misbehaves.
class Sinner : public sched::Policy {
  public:
    struct Vcpu : sched::Vcpu {};
    static constexpr sched::Text text{
        .name = "sinner", .summary = "-", .good_at = "-", .bad_at = "-", .source = "-"};
    explicit Sinner(const sched::Setup<Sinner>& setup) : services_{setup.services} {}
    void attach(Vcpu& vcpu) { last_ = &vcpu; }
    void detach(Vcpu&) {}
    void wake(Vcpu& vcpu, RealTime) { queued_[count_++ % 8] = &vcpu; }
    void deschedule(Vcpu& vcpu, sched::Stop why, Nanos, RealTime) {
        if (sched::still_runnable(why))
            queued_[count_++ % 8] = &vcpu;
    }
    sched::Decision pick(Pcpu&, RealTime now) {
        if (now > RealTime{50'000'000})
            switch (sin) {
            case Sin::stranger:
                return {reinterpret_cast<Vcpu*>(this), milliseconds(1)};
            case Sin::blocked:
                if (taken_ == count_)
                    return {last_, milliseconds(1)};
                break;
            case Sin::short_slice:
                if (taken_ != count_)
                    return {queued_[taken_++ % 8], Nanos{1}};
                break;
            case Sin::long_slice:
                if (taken_ != count_)
                    return {queued_[taken_++ % 8], milliseconds(1'001)};
                break;
            case Sin::short_idle:
                return {nullptr, Nanos{5}};
            case Sin::kick:
                services_.kick(PcpuId{77});
                break;
            case Sin::none:
                break;
            }
        return taken_ == count_ ? sched::Decision::idle()
                                : sched::Decision{queued_[taken_++ % 8], milliseconds(1)};
    }

  private:
    sched::Services services_;
    Vcpu* last_ = nullptr;
    Vcpu* queued_[8] = {};
    std::uint32_t count_ = 0, taken_ = 0;
};

Policy sinner() { return {&sched::Registration<Sinner>::descriptor, nullptr, {}}; }

Plan some_plan(bool eject) {
    Plan planned =
        plan({guest("task", "periodic", {{"period_us", "2000"}, {"work_us", "100"}, {"phase_ns", "0"}})},
             milliseconds(200));
    planned.machine.eject = eject;
    return planned;
}

class Misconducts : public testing::TestWithParam<Sin> {};

TEST_P(Misconducts, AreThrownByAStrictMachine) {
    sin = GetParam();
    World world{sinner(), some_plan(false)};
    EXPECT_THROW(finish(world), Misconduct);
}

TEST_P(Misconducts, EndInTheFallback) {
    sin = GetParam();
    World world{sinner(), some_plan(true)};
    const auto page = finish(world);
    EXPECT_EQ(page.policies[0].ejected, static_cast<std::uint32_t>(plugin::Fault::wrong_answer));
    EXPECT_GT(page.policies[0].ejected_at, 50'000'000);
    EXPECT_GT(world.machine().domains()[1].ledger.run_ins, 90u);
    EXPECT_EQ(page.exit_status, landmark::Exit::time_over);
}

INSTANTIATE_TEST_SUITE_P(All, Misconducts,
                         testing::Values(Sin::blocked, Sin::stranger, Sin::short_slice, Sin::long_slice,
                                         Sin::short_idle, Sin::kick));

// A queue for all, until a pCPU has nothing to run: then it answers with a vCPU that does not exist.
class Quitter : public sched::Policy {
  public:
    struct Vcpu : sched::Vcpu, boost::intrusive::list_base_hook<> {};
    static constexpr sched::Text text{
        .name = "quitter", .summary = "-", .good_at = "-", .bad_at = "-", .source = "-"};
    explicit Quitter(const sched::Setup<Quitter>&) {}
    void attach(Vcpu&) {}
    void detach(Vcpu&) {}
    void wake(Vcpu& vcpu, RealTime) { queue_.push_back(vcpu); }
    void deschedule(Vcpu& vcpu, sched::Stop why, Nanos, RealTime) {
        if (sched::still_runnable(why))
            queue_.push_back(vcpu);
    }
    sched::Decision pick(Pcpu&, RealTime now) {
        if (queue_.empty() && now > RealTime{50'000'000})
            return {reinterpret_cast<Vcpu*>(this), milliseconds(1)};
        if (queue_.empty())
            return sched::Decision::idle();
        Vcpu& next = queue_.front();
        queue_.pop_front();
        return {&next, milliseconds(5)};
    }

  private:
    boost::intrusive::list<Vcpu, boost::intrusive::constant_time_size<false>> queue_;
};

TEST(Misconduct, APcpuThatIdlesAfterAnEjectionIsAskedAgain) {
    Plan planned =
        plan({guest("victim", "responder", {{"peer", "pinger"}, {"work", "31250"}}),
              guest("pinger", "pinger",
                    {{"peer", "victim"}, {"period_us", "1130"}, {"phase_ns", "0"}, {"requests", "0"}})},
             milliseconds(400), 2);
    World world{{&sched::Registration<Quitter>::descriptor, nullptr, {}}, std::move(planned)};
    const auto page = finish(world);
    ASSERT_NE(page.policies[0].ejected, 0u);
    for (const auto& ring : world.machine().recorder().rings())
        EXPECT_TRUE(std::ranges::any_of(ring.records, [&](const trace::Record& record) {
            return record.event == static_cast<std::uint16_t>(trace::Event::run_in) &&
                   record.time > page.policies[0].ejected_at + 100'000'000;
        })) << "a pCPU runs nothing any more";
}

TEST(Misconduct, AGoodPolicyStays) {
    sin = Sin::none;
    World world{sinner(), some_plan(false)};
    EXPECT_EQ(finish(world).policies[0].ejected, 0u);
}

} // namespace
} // namespace bulkhead::sim_test
