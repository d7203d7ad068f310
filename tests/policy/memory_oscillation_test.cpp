// A policy's targets settle, also if a balloon is stuck: a guest that does not give back what it is asked for
// stays above its target, its frames are missed elsewhere, and still no target goes up and down.
#include "sim/machine_memory.hpp"
#include "tests/policy/kinds.hpp"

#include <cmath>
#include <map>
#include <vector>

namespace bulkhead::policy_test {
namespace {

using memctl::Frames;
constexpr auto kind = plugin::Kind::memory;
constexpr int most_reversals = 2;
constexpr std::int64_t frames = 20'000;
constexpr std::int64_t noise = frames / 50; // a move back of fewer frames is no reversal

class MemoryOscillation : public testing::TestWithParam<std::filesystem::path> {};

// Counts how often a number that moved one way moves back.
class Turns {
  public:
    void see(std::int64_t value) {
        if (count_ < 0) { // the first one
            count_ = 0;
            extreme_ = value;
        } else if (way_ == 0 ? std::abs(value - extreme_) > noise : (value - extreme_) * way_ < -noise) {
            count_ += way_ == 0 ? 0 : 1;
            way_ = value > extreme_ ? 1 : -1;
            extreme_ = value;
        } else if (way_ != 0 && (value - extreme_) * way_ > 0) {
            extreme_ = value;
        }
    }
    [[nodiscard]] int count() const { return std::max(count_, 0); }

  private:
    int count_ = -1, way_ = 0;
    std::int64_t extreme_ = 0;
};

// The most of any guest's target in so many periods.
template<class Guests, class Period>
int count_reversals(const sim::MachineMemory& host, const Guests& guests, int periods, Period period) {
    std::map<std::uint16_t, Turns> turns;
    for (int i = 0; i < periods; ++i) {
        for (const auto& guest : guests)
            turns[guest.id.value()].see(host.target(guest.id).count());
        period();
    }
    int most = 0;
    for (const auto& [id, seen] : turns)
        most = std::max(most, seen.count());
    return most;
}

// A guest waits for each page that it misses, and says so; for as many as it can in a period.
void miss(sim::MachineMemory& host, DomainId id, Frames missed) {
    constexpr std::int64_t most = 240;
    host.missed(id, static_cast<std::uint64_t>(missed.count()));
    host.stalled(id, microseconds(410) * std::min(missed.count(), most),
                 static_cast<std::uint64_t>(missed.count()));
}

// Scenes of 60 seeds settle, and settle again after a step.
template<class S>
void expect_settled(const std::filesystem::path& policy) {
    int shared = 0;
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        S scene{opened(kind, policy), seed};
        shared += scene.is_shared() ? 1 : 0;
        scene.settle(150);
        scene.step();
        EXPECT_LE(scene.reversals(150), most_reversals) << "seed " << seed;
    }
    EXPECT_GT(shared, 20);
}

// Domain 1 takes what it can get and never gives back. The others want all that they may have, and use a part
// of it that a seed decides; they give back what they are asked for.
class Scene {
  public:
    Scene(const sim::Policy& policy, std::uint64_t seed)
        : chance_{seed}, host_{policy, {.frames = Frames{frames}, .zones = 4, .seed = seed, .eject = false}} {
        admit();
        fill();
        for (auto more = chance_.draw(1, 3); more > 0; --more)
            admit();
    }
    [[nodiscard]] bool is_shared() const { return guests_.size() > 1; }

    void settle(int periods) {
        for (int i = 0; i < periods; ++i)
            period();
    }
    // One guest has another weight from now on.
    void step() {
        const auto which =
            static_cast<std::uint16_t>(chance_.draw(1, static_cast<std::int64_t>(guests_.size())));
        host_.set_weight(DomainId{which}, static_cast<std::uint32_t>(chance_.draw(32, 2'048)), now_);
    }
    [[nodiscard]] int reversals(int periods) {
        return count_reversals(host_, guests_, periods, [this] { period(); });
    }

  private:
    struct Guest {
        DomainId id;
        std::int64_t used; // per cent of its frames
    };

    void admit() {
        const DomainId id{static_cast<std::uint16_t>(guests_.size() + 1)};
        const Frames most{chance_.draw(frames / 2, frames * 9 / 10)};
        if (host_.admit({.id = id, .least = Frames{most.count() / 16}, .most = most, .values = {}}, now_))
            guests_.push_back({id, chance_.draw(0, 100)});
    }
    void fill() { host_.populate(DomainId{1}, Frames{frames}, now_); }
    void period() {
        now_ += milliseconds(100);
        for (const Guest& guest : guests_) {
            host_.sample(guest.id, Frames{100}, Frames{guest.used}, now_);
            if (guest.id == DomainId{1}) {
                miss(host_, guest.id, Frames{});
                continue;
            }
            host_.release(guest.id, std::max(host_.has(guest.id) - host_.target(guest.id), Frames{}), now_);
            const Frames wanted{200}, given = host_.populate(guest.id, wanted, now_);
            miss(host_, guest.id, wanted - given);
        }
        host_.rebalance(now_);
    }

    Chance chance_;
    sim::MachineMemory host_;
    RealTime now_{};
    std::vector<Guest> guests_;
};

// Guests that use the pages of a set at random, a part of it in each period, so that samples see less than
// the set. They take a frame for each page that they use, give back what they are asked for, and miss what
// they do not get. Domain 1 was there first, took what it could get, and its balloon is stuck.
class Users {
  public:
    Users(const sim::Policy& policy, std::uint64_t seed)
        : chance_{seed}, host_{policy, {.frames = Frames{frames}, .zones = 4, .seed = seed, .eject = false}} {
        admit();
        host_.populate(DomainId{1}, Frames{frames}, now_);
        for (auto more = chance_.draw(1, 3); more > 0; --more)
            admit();
    }
    [[nodiscard]] bool is_shared() const { return users_.size() > 1; }

    void settle(int periods) {
        for (int i = 0; i < periods; ++i)
            period();
    }
    // One guest has another set from now on.
    void step() {
        User& user = users_[static_cast<std::size_t>(chance_.draw(0, std::ssize(users_) - 1))];
        user.set = static_cast<double>(chance_.draw(frames / 20, user.most));
    }
    [[nodiscard]] int reversals(int periods) {
        return count_reversals(host_, users_, periods, [this] { period(); });
    }

  private:
    struct User {
        DomainId id;
        std::int64_t most;
        double set;  // pages
        double pace; // uses of a page in a period
    };

    void admit() {
        const DomainId id{static_cast<std::uint16_t>(users_.size() + 1)};
        const std::int64_t most = chance_.draw(frames / 2, frames * 9 / 10);
        if (host_.admit({.id = id, .least = Frames{most / 16}, .most = Frames{most}, .values = {}}, now_))
            users_.push_back({id, most, static_cast<double>(chance_.draw(frames / 20, most)),
                              static_cast<double>(chance_.draw(25, 400)) / 100});
    }
    void period() {
        now_ += milliseconds(100);
        for (const User& user : users_) {
            if (user.id != DomainId{1})
                host_.release(user.id, std::max(host_.has(user.id) - host_.target(user.id), Frames{}), now_);
            const double used = 1 - std::exp(-user.pace); // part of the set
            const auto before = static_cast<double>(host_.has(user.id).count());
            const Frames wanted{static_cast<std::int64_t>(std::max(user.set - before, 0.0) * used)};
            const Frames given = host_.populate(user.id, wanted, now_);
            miss(host_, user.id, wanted - given);
            sample(user, used);
        }
        host_.rebalance(now_);
    }
    void sample(const User& user, double used) {
        const auto has = static_cast<double>(host_.has(user.id).count());
        const auto in_thousand = static_cast<std::int64_t>(1'000 * used * std::min(1.0, user.set / has));
        std::int64_t seen = 0;
        for (int i = 0; i < 100; ++i)
            seen += chance_.draw(0, 999) < in_thousand ? 1 : 0;
        host_.sample(user.id, Frames{100}, Frames{seen}, now_);
    }

    Chance chance_;
    sim::MachineMemory host_;
    RealTime now_{};
    std::vector<User> users_;
};

TEST_P(MemoryOscillation, AStuckBalloonLeavesTargetsAlone) { expect_settled<Scene>(GetParam()); }

INSTANTIATE_TEST_SUITE_P(Policies, MemoryOscillation, testing::ValuesIn(files_of(kind)), test_name_of);

// Targets of idle_tax follow every sample, as it was published, and with the samples they swing.
std::vector<std::filesystem::path> policies_that_settle() {
    auto files = files_of(kind);
    std::erase_if(files, [](const auto& file) { return file.stem() == "idle_tax"; });
    return files;
}

class MemorySettling : public testing::TestWithParam<std::filesystem::path> {};

TEST_P(MemorySettling, TargetsOfGuestsThatUseASetSettle) { expect_settled<Users>(GetParam()); }

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(MemorySettling); // where idle_tax is tested alone
INSTANTIATE_TEST_SUITE_P(Policies, MemorySettling, testing::ValuesIn(policies_that_settle()), test_name_of);

TEST(MemoryOscillationCount, CountsMovesBackOnly) {
    Turns turns;
    for (const std::int64_t value : {0, 5'000, 9'000, 8'900, 4'000, 3'000, 9'000, 9'000})
        turns.see(value);
    EXPECT_EQ(turns.count(), 2);
}

} // namespace
} // namespace bulkhead::policy_test
