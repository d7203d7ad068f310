// A simulated guest's pages: it gives up the one that a clock with a second chance gives up. And the seeds of
// whatever draws random numbers.
#include "host/draws.hpp"
#include "sim/guest_pages.hpp"

#include <gtest/gtest.h>
#include <list>
#include <random>
#include <set>

namespace bulkhead::sim_test {
namespace {

using namespace bulkhead::sim;

// The algorithm as it is told: pages in a circle; a new one takes its place just behind the hand.
class Clock {
  public:
    void use(std::uint32_t page) {
        for (auto& [name, used] : face_)
            used = used || name == page;
    }
    void bring_in(std::uint32_t page) { face_.emplace_back(page, true); } // the hand points at the front
    std::uint32_t evict() {
        while (face_.front().second) {
            face_.front().second = false;
            face_.splice(face_.end(), face_, face_.begin());
        }
        const std::uint32_t page = face_.front().first;
        face_.pop_front();
        return page;
    }
    [[nodiscard]] std::size_t size() const { return face_.size(); }

  private:
    std::list<std::pair<std::uint32_t, bool>> face_;
};

TEST(GuestPages, AreGivenUpByTheClock) {
    constexpr std::uint32_t count = 40;
    std::mt19937_64 chance{7};
    GuestPages pages{count};
    Clock clock;
    for (int step = 0; step < 20'000; ++step) {
        const auto page = static_cast<std::uint32_t>(chance() % count);
        if (!pages.use(page)) {
            pages.bring_in(page);
            clock.bring_in(page);
        }
        clock.use(page);
        while (clock.size() > 0 && chance() % 3 == 0) {
            pages.evict();
            const std::uint32_t gone = clock.evict();
            ASSERT_FALSE(pages.is_present(gone)) << "step " << step;
            ASSERT_TRUE(pages.is_out(gone));
            ASSERT_EQ(pages.present(), clock.size());
        }
        std::set<std::uint32_t> resident;
        for (std::size_t i = 0; i < pages.present(); ++i)
            resident.insert(pages.resident(i));
        ASSERT_EQ(resident.size(), clock.size());
    }
}

TEST(Draws, NoTwoDrawTheSameNumbers) {
    std::set<std::uint64_t> firsts;
    for (std::uint64_t seed = 0; seed < 1'000; ++seed) {
        firsts.insert(seed); // the scheduler's
        for (const host::Draws stream :
             {host::Draws::memory_policy, host::Draws::ring_policy, host::Draws::page_samples})
            firsts.insert(host::seed_of(stream, seed));
    }
    EXPECT_EQ(firsts.size(), 4'000U);
}

} // namespace
} // namespace bulkhead::sim_test
