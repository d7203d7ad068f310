// The model of a shared cache: what was not used for the longest time goes, and zones share no sets.
#include "sim/cache.hpp"

#include <gtest/gtest.h>

namespace bulkhead::sim_test {
namespace {

using sim::Cache;

TEST(Cache, WhatFitsStays) {
    Cache cache{1};
    constexpr auto pages = static_cast<std::uint32_t>(Cache::sets * Cache::ways);
    for (std::uint32_t page = 0; page < pages; ++page)
        EXPECT_FALSE(cache.use(page, 0, page));
    for (std::uint32_t page = 0; page < pages; ++page)
        EXPECT_TRUE(cache.use(page, 0, page));
}

TEST(Cache, TheOneThatWasNotUsedForTheLongestTimeGoes) {
    Cache cache{1};
    constexpr std::uint32_t step = Cache::sets; // all of one set
    for (std::uint32_t i = 0; i < Cache::ways; ++i)
        EXPECT_FALSE(cache.use(i * step, 0, i * step));
    EXPECT_TRUE(cache.use(0, 0, 0));
    EXPECT_FALSE(cache.use(Cache::ways * step, 0, Cache::ways * step));
    EXPECT_TRUE(cache.use(0, 0, 0));
    EXPECT_FALSE(cache.use(step, 0, step));
}

TEST(Cache, AZoneTakesNothingFromAnother) {
    constexpr std::uint32_t zones = 4, mine = Cache::sets / zones * Cache::ways, far = 1'000'000;
    Cache cache{zones};
    for (std::uint32_t page = 0; page < mine; ++page)
        EXPECT_FALSE(cache.use(page, 1, page));
    for (std::uint32_t page = 0; page < 10 * mine; ++page)
        EXPECT_FALSE(cache.use(far + page, 2, page));
    for (std::uint32_t page = 0; page < mine; ++page)
        EXPECT_TRUE(cache.use(page, 1, page));
    EXPECT_FALSE(cache.use(mine, 1, mine)); // and it has a quarter of the cache
    EXPECT_FALSE(cache.use(0, 1, 0));
}

} // namespace
} // namespace bulkhead::sim_test
