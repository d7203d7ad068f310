// A guest's console at a terminal: what is typed arrives in its ring, what it says leaves as it is.

#include "hv/calls/console.hpp"
#include "hv/io/console.hpp"
#include "hv/io/output.hpp"
#include "hv/mm/paging.hpp"
#include "tests/unit/event_world.hpp"

#include <cstring>
#include <gtest/gtest.h>
#include <string_view>
#include <utility>

namespace bulkhead::hv::test {
namespace {

class ConsoleTerminal : public testing::Test {
  protected:
    World world;
    Domain& control = world.add_domain("control", 1, true);
    Domain& guest = world.add_domain("guest");
    Mfn page = *frame_table().allocate(guest);
    xencons_interface* ring = machine::frame_as<xencons_interface>(page);

    void SetUp() override {
        console_set_terminal("guest");
        ASSERT_TRUE(console_connect(guest, page));
    }
    ~ConsoleTerminal() override { console_set_terminal(""); }
    void produce(std::string_view text) {
        for (const char c : text)
            ring->out[ring->out_prod++ % sizeof ring->out] = c;
    }
    std::string shown() {
        flush_output();
        return std::exchange(world.machine.console, {});
    }
    std::string read() {
        std::string text;
        while (ring->in_cons != ring->in_prod)
            text += ring->in[ring->in_cons++ % sizeof ring->in];
        return text;
    }
};

TEST_F(ConsoleTerminal, WhatIsTypedArrivesWithAnEvent) {
    world.machine.typed = "ls\n";
    ASSERT_TRUE(console_waits(guest)) << "or nobody would look";
    console_drain(guest);
    EXPECT_EQ(read(), "ls\n");
    EXPECT_NE(guest.shared->evtchn_pending[0] & 1UL << guest.console->port.value(), 0U);
    guest.shared->evtchn_pending[0] = 0;
    console_drain(guest);
    EXPECT_EQ(guest.shared->evtchn_pending[0], 0U) << "nothing new, nobody told";
}

TEST_F(ConsoleTerminal, WhatTheGuestDoesNotReadWaitsOutside) {
    world.machine.typed = std::string(3000, 'k');
    for (int i = 0; i < 100; ++i)
        console_drain(guest);
    EXPECT_EQ(ring->in_prod - ring->in_cons, sizeof ring->in);
    EXPECT_EQ(world.machine.typed.size(), 3000 - sizeof ring->in);
    EXPECT_EQ(read().size(), sizeof ring->in);
    console_drain(guest);
    EXPECT_EQ(read().size(), console_piece);
}

TEST_F(ConsoleTerminal, AGuestThatSpoilsItsIndexGetsNothing) {
    world.machine.typed = "secret";
    ring->in_cons = ring->in_prod + 1;
    console_drain(guest);
    EXPECT_EQ(world.machine.typed, "secret");
    ring->in_prod = 77; // its copy is not the truth
    ring->in_cons = 0;
    console_drain(guest);
    EXPECT_EQ(ring->in_prod, 6U);
}

TEST_F(ConsoleTerminal, ConsoleIoReadsWhatWasTypedInOrderAndOnce) {
    world.machine.typed = "first ";
    console_drain(guest);
    world.machine.typed = "second";
    const auto read = [this](std::uint64_t count, std::uint64_t to) {
        return world.call<ConsoleIo>(*guest.vcpus[0], CONSOLEIO_read, count, to);
    };
    EXPECT_EQ(read(9, world.guest_base), 9);
    EXPECT_EQ(std::memcmp(world.guest.data(), "first sec", 9), 0);
    EXPECT_EQ(ring->in_cons, ring->in_prod) << "nothing is left for a second reader";
    EXPECT_EQ(read(100, world.guest_base), 3);
    EXPECT_EQ(read(100, world.guest_base), 0) << "nobody waits";
    world.machine.typed = "lost";
    EXPECT_EQ(read(4, 0), fail(Error::bad_address));
    ring->in_cons = ring->in_prod + 1;
    world.machine.typed.assign(1, 'x');
    EXPECT_EQ(read(4, world.guest_base), 1) << "a spoilt index hides the ring only";
}

TEST_F(ConsoleTerminal, ConsoleIoOfOthersReadsNothing) {
    world.machine.typed = "secret";
    EXPECT_EQ(world.call<ConsoleIo>(*control.vcpus[0], CONSOLEIO_read, 6, world.guest_base), 0);
    EXPECT_EQ(world.machine.typed, "secret");
}

TEST_F(ConsoleTerminal, OutputIsSentAtOnceAsItIsButEscaped) {
    produce("# \x1b[1ml\\s\r\n");
    console_drain(guest);
    EXPECT_EQ(shown(), "guest~ # \\1b[1ml\\5cs\\0d\\0a\n");
    const std::string worst(console_piece, '\xff');
    console_write(guest, worst.data(), worst.size());
    EXPECT_EQ(shown().size(), 7 + 3 * console_piece + 1);
}

TEST_F(ConsoleTerminal, OthersAreAsEver) {
    console_write(control, "calm\x1b[1m\n", 9);
    EXPECT_EQ(shown(), "control| calm\n");
}

TEST_F(ConsoleTerminal, WithoutATerminalNobodyReads) {
    console_set_terminal("gues");
    ASSERT_TRUE(console_connect(guest, page));
    world.machine.typed.assign(1, 'x');
    EXPECT_FALSE(console_waits(guest));
    console_drain(guest);
    EXPECT_EQ(world.machine.typed, "x");
}

} // namespace
} // namespace bulkhead::hv::test
