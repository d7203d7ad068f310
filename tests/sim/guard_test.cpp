// The simulator's guard: calls and their answers, each fault, loops without end, and what is not the
// policy's.
#include "sim/guard.hpp"
#include "tests/policy/plugin_file.hpp"
#include "tests/sim/guard_text.hpp"

#include <array>
#include <cstring>
#include <ctime>
#include <gtest/gtest.h>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

namespace bulkhead::sim_test {
namespace {

using plugin::Fault;
using sim::Guard;

class GuardTest : public testing::Test {
  protected:
    GuardTest() { guard.watch(guard_text()); }
    Fault fault_of(void (*function)()) { return guard.call(function).fault; }
    // The guard works as before.
    void expect_well() {
        const auto outcome = guard.call(&guard_first, std::uint64_t{5});
        EXPECT_EQ(outcome.fault, Fault::none);
        EXPECT_EQ(outcome.answer, 5U);
    }

    Guard guard;
};

TEST_F(GuardTest, PassesArgumentsOfEveryKindAndCount) {
    EXPECT_EQ(guard.call(&guard_nothing).fault, Fault::none);
    EXPECT_EQ(guard.call(&guard_first, 3).answer, 3U);
    const auto pair = guard.call(&guard_pair, std::uint64_t{1} << 60, std::uint64_t{2}).answer;
    EXPECT_EQ(pair.first, std::uint64_t{1} << 60);
    EXPECT_EQ(pair.second, 2U);
    std::uint64_t a = 1;
    EXPECT_EQ(guard.call(&guard_sum, a, 2, Nanos{3}, PcpuId{4}, Colour::red).answer, 1U + 4 + 9 + 16 + 35);
}

TEST_F(GuardTest, GivesAnswersOfEveryKind) {
    EXPECT_EQ(guard.call(&guard_pcpu, PcpuId{0xabcd}).answer, PcpuId{0xabcd});
    EXPECT_TRUE(guard.call(&guard_bool, true).answer);
    EXPECT_FALSE(guard.call(&guard_bool, false).answer);
    EXPECT_EQ(guard.call(&guard_pointer, this).answer, this);
}

TEST_F(GuardTest, GivesTheCallItsOwnAlignedStack) {
    const auto inside = guard.call(&guard_stack_pointer).answer;
    EXPECT_EQ(inside % 16, 8U);
    Guard other;
    const auto elsewhere = other.call(&guard_stack_pointer).answer;
    EXPECT_GE(inside > elsewhere ? inside - elsewhere : elsewhere - inside, Guard::stack_bytes);
}

TEST_F(GuardTest, ContainsEveryFault) {
    for (const auto function :
         {&guard_read_null, &guard_write_text, &guard_no_address, &guard_undefined, &guard_divide,
          &guard_breakpoint, &guard_jump_null, &guard_recurse, &guard_lose_registers, &guard_lose_stack}) {
        EXPECT_EQ(fault_of(function), Fault::trapped);
        expect_well();
    }
}

TEST_F(GuardTest, ContainsAJumpIntoData) {
    alignas(16) static char data[16] = {};
    EXPECT_EQ(guard.call(&guard_jump_to, static_cast<void*>(data)).fault, Fault::trapped);
    EXPECT_EQ(guard.call(&guard_jump_to, reinterpret_cast<void*>(std::uint64_t{1} << 63)).fault,
              Fault::trapped);
    expect_well();
}

TEST_F(GuardTest, SurvivesManyAbandonments) {
    std::uint64_t sum = 0;
    for (std::uint64_t i = 0; i < 100'000; ++i) {
        ASSERT_EQ(fault_of(i % 2 == 0 ? &guard_lose_registers : &guard_lose_stack), Fault::trapped);
        sum += guard.call(&guard_first, i).answer;
    }
    EXPECT_EQ(sum, 100'000ULL * 99'999 / 2);
}

TEST_F(GuardTest, NoticesALoopWithoutEnd) {
    const Guard::Scope scope;
    EXPECT_EQ(fault_of(&guard_loop), Fault::over_budget);
    {
        const Guard::Scope nested;
    }
    EXPECT_EQ(fault_of(&guard_loop), Fault::over_budget);
    expect_well();
}

TEST_F(GuardTest, NoticesALoopOnNoStack) {
    const Guard::Scope scope;
    EXPECT_EQ(fault_of(&guard_loop_without_stack), Fault::over_budget);
    expect_well();
}

TEST_F(GuardTest, ClearsFlagsThatALoopLeft) {
    const Guard::Scope scope;
    EXPECT_EQ(fault_of(&guard_loop_with_flags), Fault::over_budget);
    std::uint64_t flags = 0;
    asm volatile("pushf; pop %0" : "=r"(flags));
    EXPECT_EQ(flags & 0x40400, 0U);
}

// The time of a service is the host's: however slow it is, its policy is not to blame.
void take_long(void* context) {
    const auto start = std::clock();
    while (std::clock() - start < CLOCKS_PER_SEC / 4)
        ++*static_cast<int*>(context);
}

TEST_F(GuardTest, BlamesNoPolicyForASlowService) {
    const Guard::Scope scope;
    int turns = 0;
    EXPECT_EQ(guard.call(&guard_serve, &take_long, static_cast<void*>(&turns), 1).fault, Fault::none);
    EXPECT_GT(turns, 0);
}

struct Served {
    Guard& guard;
    std::uint64_t count = 0;
    Fault complaint = Fault::none;
    std::uint64_t at = 0; // the service that complains
};

void serve(void* context) {
    auto& served = *static_cast<Served*>(context);
    served.guard.count_service();
    if (++served.count == served.at)
        served.guard.complain(served.complaint);
}

TEST_F(GuardTest, EndsALoopOverServicesAtTheSameOne) {
    for (int again = 0; again < 2; ++again) {
        Served served{guard};
        EXPECT_EQ(guard.call(&guard_serve, &serve, static_cast<void*>(&served), 0).fault, Fault::over_budget);
        EXPECT_EQ(served.count, Guard::most_services);
    }
    for (int again = 0; again < 2; ++again) { // each call has its own count
        Served served{guard};
        EXPECT_EQ(guard.call(&guard_serve, &serve, static_cast<void*>(&served), Guard::most_services).fault,
                  Fault::none);
    }
}

TEST_F(GuardTest, LetsACallFinishThatAServiceComplainsOf) {
    Served served{guard, 0, Fault::wrong_answer, 2};
    EXPECT_EQ(guard.call(&guard_serve, &serve, static_cast<void*>(&served), 5).fault, Fault::wrong_answer);
    EXPECT_EQ(served.count, 5U);
    expect_well();
}

// Frames whose arrays AddressSanitizer surrounds by red zones, at another place for each depth.
template<std::size_t size>
[[gnu::noinline]] void use_array(std::size_t depth) {
    char array[size];
    std::memset(array, static_cast<int>(depth), size);
    asm volatile("" : : "r"(array) : "memory");
    if (depth != 0)
        use_array<size>(depth - 1);
}
void give_up(void* context) {
    char array[40];
    asm volatile("" : : "r"(array) : "memory");
    static_cast<Guard*>(context)->abandon(Fault::no_memory);
}
void use_stack(void*) { use_array<300>(20); }

TEST_F(GuardTest, LetsAServiceAbandonTheCall) {
    for (int i = 0; i < 1'000; ++i)
        ASSERT_EQ(guard.call(&guard_serve, &give_up, static_cast<void*>(&guard), 1).fault, Fault::no_memory);
    // What the abandoned frames left on the stack disturbs nobody.
    EXPECT_EQ(guard.call(&guard_serve, &use_stack, static_cast<void*>(nullptr), 1).fault, Fault::none);
    expect_well();
}

TEST_F(GuardTest, RefusesAServiceOnAStackThatIsUsedUp) {
    const auto top = guard.call(&guard_stack_pointer).answer;
    const auto lowest = top - Guard::stack_bytes + Guard::room_for_services;
    Served served{guard};
    EXPECT_EQ(guard.call(&guard_serve_low, &serve, static_cast<void*>(&served), lowest - (64 << 10)).fault,
              Fault::trapped);
    EXPECT_EQ(served.count, 0U);
    EXPECT_EQ(guard.call(&guard_serve_low, &serve, static_cast<void*>(&served), lowest + (64 << 10)).fault,
              Fault::none);
    EXPECT_EQ(served.count, 1U);
}

// A policy that is part of the program is never left in the middle.
TEST_F(GuardTest, OnlyComplainsOfAPolicyWithoutText) {
    guard.watch({});
    Served served{guard};
    const std::uint64_t more = Guard::most_services + 5U;
    EXPECT_EQ(guard.call(&guard_serve, &serve, static_cast<void*>(&served), more).fault, Fault::over_budget);
    EXPECT_EQ(served.count, more);
    expect_well();
}

TEST_F(GuardTest, IgnoresServicesOutsideACall) {
    Served served{guard};
    for (int i = 0; i < 3 * Guard::most_services; ++i)
        serve(&served);
    expect_well();
}

[[gnu::noinline]] void throw_deep(std::size_t depth) {
    const std::string text(100, static_cast<char>('a' + depth % 26)); // to be destroyed on the way
    char array[40];
    asm volatile("" : : "r"(array) : "memory");
    if (depth == 0)
        throw std::runtime_error{text};
    throw_deep(depth - 1);
}

void throw_and_catch(void* context) {
    try {
        throw_deep(200);
    } catch (const std::runtime_error& error) {
        *static_cast<std::string*>(context) = error.what();
    }
}

TEST_F(GuardTest, LetsExceptionsBeCaughtInside) {
    for (int i = 0; i < 100; ++i) {
        std::string caught;
        ASSERT_EQ(guard.call(&guard_serve, &throw_and_catch, static_cast<void*>(&caught), 3).fault,
                  Fault::none);
        ASSERT_EQ(caught, std::string(100, 'a'));
    }
    EXPECT_EQ(guard.call(&guard_serve, &use_stack, static_cast<void*>(nullptr), 1).fault, Fault::none);
}

// A policy in Python may run a simulation of its own in a hook.
struct Nested {
    Guard inner;
    Fault fault = Fault::none;
};
void nest(void* context) {
    auto& nested = *static_cast<Nested*>(context);
    nested.inner.watch(guard_text());
    nested.fault = nested.inner.call(&guard_recurse).fault;
}

TEST_F(GuardTest, ContainsACallInsideACallOfAnotherGuard) {
    Nested nested;
    EXPECT_EQ(guard.call(&guard_serve, &nest, static_cast<void*>(&nested), 2).fault, Fault::none);
    EXPECT_EQ(nested.fault, Fault::trapped);
    expect_well();
}

TEST(GuardThreads, ContainFaultsAtTheSameTime) {
    std::array<std::uint64_t, 2> faults{};
    {
        std::array<std::jthread, 2> threads;
        for (std::size_t i = 0; i < threads.size(); ++i)
            threads[i] = std::jthread{[&count = faults[i]] {
                Guard guard;
                guard.watch(guard_text());
                const Guard::Scope scope;
                for (int n = 0; n < 2'000; ++n)
                    count += guard.call(n % 100 == 0 ? &guard_recurse : &guard_divide).fault == Fault::trapped
                                 ? 1
                                 : 0;
                count += guard.call(&guard_loop).fault == Fault::over_budget ? 1 : 0;
            }};
    }
    EXPECT_EQ(faults[0], 2'001U);
    EXPECT_EQ(faults[1], 2'001U);
}

TEST(GuardStacks, AreUsedAgain) {
    const auto place = [] { return Guard{}.call(&guard_stack_pointer).answer; };
    const auto first = place();
    for (int i = 0; i < 100; ++i)
        EXPECT_EQ(place(), first);
}

TEST(GuardTextOfObject, IsThatOfAPolicyInAFileOnly) {
    static const int here = 0;
    EXPECT_TRUE(sim::text_of_object(&here).empty());
    EXPECT_TRUE(sim::text_of_object(std::make_unique<int>().get()).empty());
    const auto file = policy_test::scheduler("chaos");
    const auto text = sim::text_of_object(&file.descriptor());
    EXPECT_TRUE(text.contains(reinterpret_cast<std::uint64_t>(file.hooks().pick)));
    EXPECT_FALSE(text.contains(reinterpret_cast<std::uint64_t>(&file.descriptor())));
    EXPECT_FALSE(text.contains(reinterpret_cast<std::uint64_t>(&serve)));
}

} // namespace
} // namespace bulkhead::sim_test
