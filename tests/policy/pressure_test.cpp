// What memctl/pressure.cpp promises: how fast idle memory becomes free, who gets it, and how little a guest
// that lies about its stalls can do to others.
#include "sim/machine_memory.hpp"
#include "tests/policy/kinds.hpp"

#include <cmath>
#include <map>

namespace bulkhead::policy_test {
namespace {

using memctl::Frames;
constexpr auto kind = plugin::Kind::memory;
constexpr std::int64_t mib = 256; // frames
constexpr Nanos interval = milliseconds(100), swap = microseconds(410);

class PressureMachine : public testing::Test {
  protected:
    // What a guest does in an interval.
    struct Guest {
        std::int64_t set = 0; // frames that it uses
        bool lies = false;    // it claims stalls all the time, and asks for all frames
        bool silent = false;  // it reports nothing
        bool at_once = false; // it fills all that it is given, however much
    };

    void start(std::vector<std::int64_t> values = {}) {
        host_ = std::make_unique<sim::MachineMemory>(
            named(kind, "pressure", std::move(values)),
            sim::MachineMemory::Options{.frames = Frames{frames_}, .eject = false});
    }
    void admit(std::uint16_t id, std::int64_t most, const Guest& guest, std::uint32_t weight = 256) {
        ASSERT_TRUE(host_->admit({.id = DomainId{id},
                                  .weight = weight,
                                  .least = Frames{most / 16},
                                  .most = Frames{most},
                                  .values = {}},
                                 now_));
        guests_[id] = guest;
    }
    [[nodiscard]] std::int64_t target(std::uint16_t id) const { return host_->target(DomainId{id}).count(); }
    void live(int intervals) {
        for (int i = 0; i < intervals; ++i) {
            now_ += interval;
            for (const auto& [id, guest] : guests_)
                act(DomainId{id}, guest);
            host_->rebalance(now_);
        }
    }
    // A guest asks for what its set lacks, as many pages as it can read in the time, and waits for each.
    void act(DomainId id, const Guest& guest) {
        host_->release(id, std::max(host_->has(id) - host_->target(id), Frames{}), now_);
        const std::int64_t lacks = guest.lies ? frames_ : guest.set - host_->has(id).count();
        const bool all = guest.lies || guest.at_once;
        const Frames wanted{
            std::clamp(lacks, std::int64_t{0}, all ? frames_ : interval.count() / swap.count())};
        const Frames given = host_->populate(id, wanted, now_);
        host_->missed(id, static_cast<std::uint64_t>((wanted - given).count()));
        stalls_[id.value()] += given < wanted ? 1 : 0;
        if (guest.silent)
            return;
        if (guest.lies)
            return host_->stalled(id, milliseconds(1'000), 1'000'000);
        host_->stalled(id, swap * (wanted - given).count(),
                       static_cast<std::uint64_t>((wanted - given).count()));
    }

    static constexpr std::int64_t frames_ = 64 * mib;
    std::unique_ptr<sim::MachineMemory> host_;
    RealTime now_{};
    std::map<std::uint16_t, Guest> guests_;
    std::map<std::uint16_t, int> stalls_; // intervals in which it missed frames
};

TEST_F(PressureMachine, MemoryThatNobodyMissesBecomesFreeStepByStep) {
    start();
    admit(1, 48 * mib, {});
    EXPECT_EQ(target(1), 48 * mib);
    for (int i = 0; i < 100; ++i) {
        const std::int64_t before = target(1);
        live(1);
        EXPECT_EQ(target(1), before - before / 100) << "interval " << i;
    }
    live(400);
    EXPECT_EQ(target(1), 3 * mib);
}

TEST_F(PressureMachine, TheNearerToTheThresholdTheSmallerTheStep) {
    start({100, 100'000, 10'000, 500}); // a tenth of the time
    admit(1, 48 * mib, {.silent = true});
    live(1);
    host_->stalled(DomainId{1}, {}, 0);
    for (const std::int64_t stalled_us : {0, 2'500, 5'000, 7'500, 10'000}) {
        const std::int64_t before = target(1);
        host_->stalled(DomainId{1}, microseconds(stalled_us), 1);
        live(1);
        const double part = static_cast<double>(stalled_us) / (100'000.0 + static_cast<double>(stalled_us));
        EXPECT_NEAR(static_cast<double>(before - target(1)),
                    static_cast<double>(before) / 100 * (1 - part / 0.1), 1.5)
            << stalled_us << " us";
    }
}

TEST_F(PressureMachine, AGuestThatStallsHasItsPartWhateverOthersClaim) {
    for (const std::uint32_t weight : {256U, 768U}) {
        start();
        now_ = {};
        guests_.clear();
        admit(1, 60 * mib, {.lies = true});
        live(20);
        admit(2, 60 * mib, {.set = 56 * mib, .at_once = true}, weight);
        live(20);
        EXPECT_NEAR(static_cast<double>(target(2)), static_cast<double>(frames_ * weight / (256 + weight)),
                    3);
        EXPECT_GE(target(1), 60 * mib / 16);
    }
}

TEST_F(PressureMachine, ALiarTakesNothingThatOthersUseOfTheirPart) {
    start();
    admit(1, 40 * mib, {.set = 20 * mib});
    admit(2, 40 * mib, {.set = 12 * mib});
    admit(3, 60 * mib, {.lies = true});
    live(300);
    stalls_.clear();
    live(200);
    EXPECT_GE(target(1), 20 * mib - 20 * mib / 50);
    EXPECT_GE(target(2), 12 * mib - 12 * mib / 50);
    EXPECT_LE(stalls_[1], 10);
    EXPECT_LE(stalls_[2], 10);
}

TEST_F(PressureMachine, IdleMemoryGoesToTheGuestThatStallsForIt) {
    start();
    admit(1, 60 * mib, {.set = 4 * mib});
    host_->populate(DomainId{1}, Frames{frames_}, now_);
    admit(2, 60 * mib, {.set = 44 * mib});
    live(150);
    EXPECT_GE(target(2), 44 * mib - 44 * mib / 50);
    EXPECT_LE(target(1), 20 * mib);
}

TEST_F(PressureMachine, TriesThatLedToStallsBecomeRare) {
    start();
    admit(1, 60 * mib, {.set = 20 * mib});
    live(200); // down to what it uses
    EXPECT_NEAR(static_cast<double>(target(1)), 20.0 * mib, 20 * mib / 50.0);
    stalls_.clear();
    live(640);
    EXPECT_LE(stalls_[1], 20);
    EXPECT_GE(stalls_[1], 2) << "it never tries again";
}

TEST_F(PressureMachine, AGuestThatReportsNothingHasItsPartByWeight) {
    start();
    admit(1, 60 * mib, {.set = 60 * mib, .lies = true});
    admit(2, 60 * mib, {.silent = true}, 512);
    live(20);
    EXPECT_NEAR(static_cast<double>(target(2)), frames_ * 2 / 3.0, 3);
}

TEST_F(PressureMachine, AGuestThatGetsNoPcpuIsLeftAlone) {
    start();
    admit(1, 48 * mib, {});
    live(1);
    const std::int64_t before = target(1);
    const Nanos ran = now_.since_start();
    for (int i = 1; i <= 20; ++i) {
        host_->set_times(DomainId{1}, ran, interval * i);
        live(1);
    }
    EXPECT_GE(target(1), before - before / 100 - 1);
    for (int i = 1; i <= 20; ++i) {
        host_->set_times(DomainId{1}, ran, interval * 20); // it sleeps
        live(1);
    }
    EXPECT_LT(target(1), before - before / 10);
}

} // namespace
} // namespace bulkhead::policy_test
