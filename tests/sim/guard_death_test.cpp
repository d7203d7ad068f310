// Faults that are not the policy's: the simulator's guard passes them to the handlers that were there before.
#include "sim/guard.hpp"
#include "tests/sim/guard_text.hpp"

#include <csignal>
#include <cstdlib>
#include <gtest/gtest.h>
#include <string>
#include <ucontext.h>
#include <unistd.h>

namespace bulkhead::sim_test {
namespace {

using plugin::Fault;
using sim::Guard;

void read_nowhere(void*) { asm volatile("mov (%0), %%eax" : : "r"(std::uint64_t{8}) : "eax", "memory"); }
void refuse(void*) { asm volatile("ud2"); }

class GuardDeathTest : public testing::Test {
  protected:
    GuardDeathTest() { guard.watch(guard_text()); }
    Guard guard;
};

TEST_F(GuardDeathTest, AFaultInAServiceIsNotSwallowed) {
    EXPECT_DEATH((void)guard.call(&guard_serve, &read_nowhere, static_cast<void*>(nullptr), 1), "");
    EXPECT_DEATH((void)guard.call(&guard_serve, &refuse, static_cast<void*>(nullptr), 1), "");
}

TEST_F(GuardDeathTest, AFaultOfAPolicyWithoutTextIsNotSwallowed) {
    guard.watch({});
    for (const auto function : {&guard_read_null, &guard_breakpoint, &guard_jump_null})
        EXPECT_DEATH((void)guard.call(function), "");
}

TEST_F(GuardDeathTest, AFaultOutsideACallIsNotSwallowed) {
    EXPECT_DEATH(guard_read_null(), "");
    EXPECT_DEATH(guard_breakpoint(), "");
}

TEST_F(GuardDeathTest, ASignalFromElsewhereIsNotAFault) {
    EXPECT_EXIT(std::raise(SIGILL), testing::KilledBySignal(SIGILL), "");
    EXPECT_EXIT(std::raise(SIGTRAP), testing::KilledBySignal(SIGTRAP), "");
}

void say(const char* text) { (void)!::write(STDERR_FILENO, text, std::char_traits<char>::length(text)); }

void skip_undefined(int, siginfo_t*, void* context) {
    say("skipped");
    static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP] += 2;
}

// As Python's faulthandler does.
struct sigaction before{};
void report_and_raise(int number) {
    say("reported ");
    ::sigaction(number, &before, nullptr);
    ::raise(number);
}

void install(void (*handler)(int)) {
    struct sigaction action{};
    action.sa_handler = handler;
    action.sa_flags = SA_NODEFER;
    ::sigaction(SIGILL, &action, &before);
}

// A handler that was there when a guard came, and one that came between two guards.
TEST(GuardChainDeathTest, HandlersOfOthersAreCalled) {
    const auto with_returning_handler = [] {
        struct sigaction action{};
        action.sa_sigaction = &skip_undefined;
        action.sa_flags = SA_SIGINFO;
        ::sigaction(SIGILL, &action, nullptr);
        Guard guard;
        guard.watch(guard_text());
        for (int i = 0; i < 3; ++i) {
            if (guard.call(&guard_undefined).fault != Fault::trapped)
                std::_Exit(1);
            asm volatile("ud2");
        }
        std::_Exit(7);
    };
    EXPECT_EXIT(with_returning_handler(), testing::ExitedWithCode(7), "skippedskippedskipped");
}

TEST(GuardChainDeathTest, AHandlerThatRaisesAgainEndsTheProcess) {
    const auto fail = [] {
        const Guard first;
        install(&report_and_raise);
        Guard guard;
        guard.watch(guard_text());
        if (guard.call(&guard_undefined).fault != Fault::trapped)
            std::_Exit(1);
        refuse(nullptr);
    };
    EXPECT_EXIT(fail(), testing::KilledBySignal(SIGILL), "^reported $");
}

} // namespace
} // namespace bulkhead::sim_test
