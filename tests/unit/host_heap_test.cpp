// What the heap holds comes out in order of key, and of insertion where keys are equal, whatever is taken
// from its middle.
#include "host/deadline_heap.hpp"

#include <gtest/gtest.h>
#include <map>
#include <random>
#include <vector>

namespace bulkhead::host {
namespace {

struct Item : DeadlineNode {
    bool in = false;
    std::multimap<std::int64_t, Item*>::iterator place;
};

TEST(DeadlineHeap, IsAnOrderedListWithEqualKeysInOrderOfArrival) {
    for (const std::int64_t keys : {3, 1'000}) {
        std::mt19937_64 random{11};
        std::vector<Item> items(200);
        std::multimap<std::int64_t, Item*> model; // which keeps equal keys in order of insertion
        DeadlineHeap<Item> heap;
        for (int step = 0; step < 100'000; ++step) {
            Item* chosen = &items[random() % items.size()];
            if (random() % 4 == 0 && !model.empty())
                chosen = &heap.first();
            Item& item = *chosen;
            if (item.in) {
                model.erase(item.place);
                heap.erase(item);
            } else {
                const auto key = static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(keys));
                item.place = model.emplace(key, &item);
                heap.insert(item, RealTime{key});
            }
            item.in = !item.in;
            ASSERT_EQ(heap.empty(), model.empty());
            if (!model.empty()) {
                ASSERT_EQ(&heap.first(), model.begin()->second);
                ASSERT_EQ(heap.first_key(), RealTime{model.begin()->first});
            }
        }
    }
}

} // namespace
} // namespace bulkhead::host
