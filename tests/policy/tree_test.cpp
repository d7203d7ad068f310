// The building blocks of policies that must be fast among thousands: random operations, checked against slow
// and obvious ones.
#include "plugin/turns.hpp"

#include <cmath>
#include <gtest/gtest.h>
#include <list>
#include <random>
#include <vector>

namespace bulkhead::plugin {
namespace {

using Hook = TreeHook<std::uint64_t>;
struct Item : Hook, TurnHook<> {
    int key = 0;
    std::uint64_t affinity = 0;
};
struct ByKey {
    using Hook = plugin::Hook;
    static bool before(const Item& a, const Item& b) { return a.key < b.key; }
    static std::uint64_t own(const Item& item) { return item.affinity; }
    static std::uint64_t join(std::uint64_t a, std::uint64_t b) { return a | b; }
};

class Random {
  public:
    explicit Random(std::uint64_t seed) : engine_{seed} {}
    int draw(int most) { return std::uniform_int_distribution<int>{0, most}(engine_); }
    std::uint64_t some_pcpus() { return std::uint64_t{1} << draw(5) | std::uint64_t{1} << draw(5); }

  private:
    std::mt19937_64 engine_;
};

// Not more than 1.45 log2(n + 2) levels, each one higher than its children, and the summary of both.
int check(const Hook* node) {
    if (node == nullptr)
        return 0;
    std::uint64_t summary = static_cast<const Item*>(node)->affinity;
    int heights[2];
    for (int side = 0; side < 2; ++side) {
        const Hook* child = node->child[side];
        heights[side] = check(child);
        if (child != nullptr) {
            EXPECT_EQ(child->parent, node);
            summary |= child->summary;
        }
    }
    EXPECT_LE(std::abs(heights[0] - heights[1]), 1);
    EXPECT_EQ(node->summary, summary);
    EXPECT_EQ(node->height, 1 + std::max(heights[0], heights[1]));
    return node->height;
}

const Hook* root_of(const Item& item) {
    const Hook* node = &item;
    while (node->parent != nullptr)
        node = node->parent;
    return node;
}

class RandomTree : public testing::TestWithParam<std::uint64_t> {
  protected:
    void insert(Item& item) {
        item.key = random_.draw(20); // many equal ones
        item.affinity = random_.some_pcpus();
        tree_.insert(item);
        const auto after = [&item](const Item* other) { return other->key > item.key; };
        order_.insert(std::ranges::find_if(order_, after), &item);
    }
    void erase(Item& item) {
        tree_.erase(item);
        order_.remove(&item);
    }
    void compare() {
        ASSERT_EQ(tree_.first(), order_.empty() ? nullptr : order_.front());
        if (!order_.empty())
            check(root_of(*order_.front()));
        for (unsigned pcpu = 0; pcpu < 6; ++pcpu) {
            const PcpuId id{static_cast<std::uint16_t>(pcpu)};
            const auto found =
                std::ranges::find_if(order_, [&](const Item* item) { return reaches(item->affinity, id); });
            ASSERT_EQ(tree_.find([&](std::uint64_t reach) { return reaches(reach, id); }),
                      found == order_.end() ? nullptr : *found);
        }
        std::uint64_t before = 0;
        for (const Item* item : order_) {
            std::uint64_t visited = 0;
            tree_.visit_before(*item, [&](std::uint64_t summary) { visited |= summary; });
            ASSERT_EQ(visited, before);
            before |= item->affinity;
        }
    }
    Random random_{GetParam()};
    Tree<Item, ByKey> tree_;
    std::list<Item*> order_;
};

TEST_P(RandomTree, IsWhatASortedListIs) {
    std::vector<Item> items(60);
    for (int step = 0; step < 2'000; ++step) {
        Item& item = items[static_cast<std::size_t>(random_.draw(59))];
        if (!item.Hook::in_tree()) {
            insert(item);
        } else if (random_.draw(2) == 0) {
            item.affinity = random_.some_pcpus();
            tree_.changed(item);
        } else {
            erase(item);
        }
        ASSERT_NO_FATAL_FAILURE(compare()) << "step " << step;
    }
}
INSTANTIATE_TEST_SUITE_P(Seeds, RandomTree, testing::Range(std::uint64_t{1}, std::uint64_t{9}));

TEST(Turns, AreThoseOfOneRow) {
    Random random{7};
    std::vector<Item> items(40);
    Turns<Item> turns;
    std::list<Item*> row;
    for (int step = 0; step < 20'000; ++step) {
        Item& item = items[static_cast<std::size_t>(random.draw(39))];
        if (item.waits()) {
            turns.erase(item);
            row.remove(&item);
        } else {
            item.affinity = random.draw(1) == 0 ? every_pcpu : random.some_pcpus();
            const bool back = random.draw(3) != 0;
            back ? turns.push_back(item) : turns.push_front(item);
            back ? row.push_back(&item) : row.push_front(&item);
        }
        ASSERT_EQ(turns.empty(), row.empty());
        std::uint64_t reach = 0;
        for (const Item* waiting : row)
            reach |= waiting->affinity;
        ASSERT_EQ(turns.reach(), reach);
        const PcpuId pcpu{static_cast<std::uint16_t>(random.draw(7))};
        const auto found =
            std::ranges::find_if(row, [&](const Item* waiting) { return reaches(waiting->affinity, pcpu); });
        ASSERT_EQ(turns.first_for(pcpu), found == row.end() ? nullptr : *found) << "step " << step;
    }
}

} // namespace
} // namespace bulkhead::plugin
