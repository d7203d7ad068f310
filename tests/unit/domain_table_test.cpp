// The table of domains: ids in turn, slots dense, and a walk over the living that meets each once.
#include "hv/domain/table.hpp"

#include <gtest/gtest.h>
#include <memory>
#include <set>
#include <vector>

namespace bulkhead::hv {
namespace {

// The table is one for the whole program, so each test leaves it empty.
class DomainTable : public testing::Test {
  protected:
    ~DomainTable() override {
        for (auto& domain : alive)
            remove_domain(*domain);
    }
    Domain* enter() {
        const auto seat = free_seat();
        if (!seat)
            return nullptr;
        alive.push_back(std::make_unique<Domain>());
        alive.back()->id = seat->id;
        alive.back()->sched.slot = seat->slot;
        enter_domain(*alive.back());
        return alive.back().get();
    }
    void remove(const Domain* domain) {
        remove_domain(*domain);
        std::erase_if(alive, [&](const auto& each) { return each.get() == domain; });
    }
    std::vector<std::unique_ptr<Domain>> alive;
};

TEST_F(DomainTable, AnIdReturnsOnlyAfterAllOthers) {
    const auto* lasting = enter();
    std::set<std::uint16_t> seen;
    for (std::uint32_t i = 0; i < last_domain_id - 1U; ++i) {
        const auto* domain = enter();
        const auto id = domain->id;
        ASSERT_TRUE(id.value() != 0 && id.value() <= last_domain_id);
        ASSERT_NE(id, lasting->id) << "not while its domain lives";
        ASSERT_TRUE(seen.insert(id.value()).second);
        ASSERT_EQ(domain->sched.slot, lasting->sched.slot + 1) << "slots are used again at once";
        ASSERT_EQ(find_domain(id), domain);
        remove(domain);
        ASSERT_EQ(find_domain(id), nullptr);
    }
    EXPECT_EQ(find_domain(lasting->id), lasting);
}

TEST_F(DomainTable, TheWalkMeetsEveryLivingDomainOnceAndEndsAtTheLimit) {
    for (std::uint32_t i = 0; i < max_domains; ++i)
        ASSERT_NE(enter(), nullptr);
    EXPECT_EQ(free_seat(), fail(Error::no_space));
    for (std::uint32_t slot = 0; slot < max_domains; ++slot)
        if (slot % 130 != 7)
            remove(next_domain(slot));
    std::vector<std::uint32_t> met;
    for_each_domain([&](const Domain& domain) { met.push_back(domain.sched.slot); });
    ASSERT_EQ(met.size(), (max_domains + 122) / 130);
    for (std::uint32_t i = 0; i < met.size(); ++i)
        EXPECT_EQ(met[i], 130 * i + 7);
    EXPECT_EQ(next_domain(max_domains), nullptr);
    EXPECT_EQ(next_domain(met.back() + 1), nullptr);
}

TEST_F(DomainTable, AWalkMayRemoveTheDomainThatItVisits) {
    for (int i = 0; i < 200; ++i)
        enter();
    for_each_domain([&](const Domain& domain) { remove(&domain); });
    EXPECT_EQ(next_domain(0), nullptr);
}

} // namespace
} // namespace bulkhead::hv
