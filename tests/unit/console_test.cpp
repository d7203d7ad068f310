// What a guest prints, as it appears on the serial line: prefixes, escapes, unfinished lines, the rate limit,
// the ring.

#include "hv/base/format.hpp"
#include "hv/base/log.hpp"
#include "hv/base/version.hpp"
#include "hv/calls/console.hpp"
#include "hv/calls/version.hpp"
#include "hv/event/bind.hpp"
#include "hv/io/output.hpp"
#include "hv/mm/paging.hpp"
#include "tests/unit/event_world.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <string_view>
#include <utility>

namespace bulkhead::hv::test {
namespace {

class ConsoleTest : public testing::Test {
  protected:
    World world;
    Domain& control = world.add_domain("control", 1, true);
    Domain& guest = world.add_domain("guest");

    ~ConsoleTest() override { console_set_rate(0); }

    // In pieces, each sent at once.
    void write(std::string_view text) { write(guest, text); }
    void write(Domain& domain, std::string_view text) {
        for (; !text.empty(); text.remove_prefix(std::min(text.size(), console_piece))) {
            const std::string piece{text.substr(0, console_piece)};
            console_write(domain, piece.data(), piece.size());
            pump_output();
        }
    }
    std::string shown() {
        flush_output();
        return std::exchange(world.machine.console, {});
    }
    std::string shown_for(std::string_view text) {
        write(text);
        write("\n");
        return shown();
    }
    void pass(Nanos time) { world.machine.time += time.count(); }
};

TEST_F(ConsoleTest, LinesCarryTheGuestsName) {
    write("one\ntwo\n\nthree");
    EXPECT_EQ(shown(), "guest| one\nguest| two\nguest| \n");
    write(" and more\n");
    EXPECT_EQ(shown(), "guest| three and more\n");
}

TEST_F(ConsoleTest, LinesOfTwoGuestsDoNotMix) {
    write("left ");
    write(control, "right\n");
    write("side\n");
    EXPECT_EQ(shown(), "control| right\nguest| left side\n");
}

TEST_F(ConsoleTest, CarriageReturns) {
    EXPECT_EQ(shown_for("dos\r"), "guest| dos\n");
    EXPECT_EQ(shown_for("10%\r20%\r\r99%"), "guest| 99%\n");
    write("a\n\rb\n\r");
    EXPECT_EQ(shown(), "guest| a\nguest| b\n");
}

TEST_F(ConsoleTest, BackspaceErasesWithinTheLineOnly) { EXPECT_EQ(shown_for("\b\babc\b\bx"), "guest| ax\n"); }

TEST_F(ConsoleTest, ControlCharactersAreHarmless) {
    EXPECT_EQ(shown_for("a\x01z\ty\x7f"), "guest| a?z\ty?\n");
    EXPECT_EQ(shown_for(std::string_view{"n\0o\a", 4}), "guest| no\n");
    EXPECT_EQ(shown_for("\x9b"
                        "31m"),
              "guest| ?31m\n"); // a C1 control alone
    EXPECT_EQ(shown_for("\xc2\x9b"
                        "31m"),
              "guest| \xc2?31m\n");                                                  // and as UTF-8
    EXPECT_EQ(shown_for("\xc3\xa9 \xe2\x80\x93"), "guest| \xc3\xa9 \xe2\x80\x93\n"); // letters stay
}

TEST_F(ConsoleTest, EscapeSequencesVanish) {
    EXPECT_EQ(shown_for("\x1b[31;1mred\x1b[0m"), "guest| red\n");
    EXPECT_EQ(shown_for("\x1b(Bx\x1b]0;title\ay\x1bMz"), "guest| xyz\n");
    EXPECT_EQ(shown_for("\x1b]0;title\x1b\\t"), "guest| t\n");
    write("split\x1b");
    write("[3");
    write("1mover\n");
    EXPECT_EQ(shown(), "guest| splitover\n");
    EXPECT_EQ(shown_for("\x1b]endless"), "guest| \n");
    EXPECT_EQ(shown_for("next"), "guest| next\n"); // a sequence does not outlive its line
}

TEST_F(ConsoleTest, MovingTheCursorEndsTheLine) {
    EXPECT_EQ(shown_for("\x1b[2J\x1b[1;1Htitle\x1b[5;1Hgrub> \x1b[5;7H"),
              "guest| title\nguest| grub> \nguest| \n");
}

TEST_F(ConsoleTest, LongLinesAreCut) {
    const std::string text(2 * Console::line_bytes + 5, 'x');
    const std::string full = "guest| " + std::string(Console::line_bytes, 'x') + "\n";
    EXPECT_EQ(shown_for(text), full + full + "guest| xxxxx\n");
}

TEST_F(ConsoleTest, PromptAppearsAfterAWhile) {
    write("login: ");
    EXPECT_TRUE(console_flush(guest, false));
    EXPECT_EQ(shown(), "");
    pass(milliseconds(49));
    EXPECT_TRUE(console_flush(guest, false));
    EXPECT_EQ(shown(), "");
    pass(milliseconds(1));
    EXPECT_FALSE(console_flush(guest, false));
    EXPECT_EQ(shown(), "guest| login: \n");
    write("half");
    EXPECT_FALSE(console_flush(guest, true));
    EXPECT_EQ(shown(), "guest| half\n");
}

TEST_F(ConsoleTest, RateLimitCountsEveryByteAndMarksTheGap) {
    console_set_rate(2000);
    const std::string line(92, 'x'); // 7 of prefix, 1 of line end: costs 100
    for (int i = 0; i < 50; ++i)
        write(line + "\n");
    EXPECT_EQ(shown().size(), 2000U); // a second's worth at once, prefixes included
    pass(milliseconds(200));          // 400 bytes earned, but a quarter of the budget must be back
    write("a\n");
    EXPECT_EQ(shown(), "");
    pass(milliseconds(100));
    write("b\n");
    EXPECT_EQ(shown(),
              "guest| [2792 bytes dropped: over the console rate]\nguest| b\n"); // 30 lines of 93, "a\n"
}

TEST_F(ConsoleTest, RateHoldsOverTime) {
    console_set_rate(10'000);
    std::size_t total = 0;
    for (int i = 0; i < 10'000; ++i) { // one second of a flood
        write("0123456789012345678901234567890123456789\n");
        pass(microseconds(100));
        total += shown().size();
    }
    EXPECT_LE(total, 21'000U); // the first burst and a second's worth, and notices
    EXPECT_GE(total, 17'000U);
}

TEST_F(ConsoleTest, SlowRefillKeepsItsFractions) {
    console_set_rate(2000);
    for (int i = 0; i < 40; ++i)
        write(std::string(92, 'x') + "\n");
    shown();
    for (int i = 0; i < 4000; ++i) { // 250 us a time: half a byte each
        pass(microseconds(250));
        console_flush(guest, false);
    }
    const std::string text = shown();
    EXPECT_NE(text.find("1860 bytes dropped"), std::string::npos) << text;
    EXPECT_GE(guest.console->budget.tokens, 1900);
}

TEST_F(ConsoleTest, DropsAreToldAtTheEndWhateverTheRate) {
    console_set_rate(1);
    for (int i = 0; i < 100; ++i)
        write(std::string(92, 'x') + "\n");
    shown();
    EXPECT_TRUE(console_flush(guest, false));
    EXPECT_EQ(shown(), "");
    EXPECT_FALSE(console_flush(guest, true));
    EXPECT_EQ(shown(), "guest| [8370 bytes dropped: over the console rate]\n");
}

TEST_F(ConsoleTest, OneGuestsFloodCostsAnotherNothing) {
    console_set_rate(2000);
    for (int i = 0; i < 1000; ++i)
        write("flood\n");
    shown();
    write(control, "calm\n");
    EXPECT_EQ(shown(), "control| calm\n");
}

TEST_F(ConsoleTest, HypervisorsLinesAreNeverLimited) {
    console_set_rate(1);
    for (int i = 0; i < 100; ++i)
        log("line %d of %s\n", i, "many");
    log("without its end");
    EXPECT_EQ(world.machine.console, ""); // nor does one wait for the serial line
    const auto text = shown();
    EXPECT_EQ(text.substr(0, 29), "(bulkhead) line 0 of many\n(bu");
    EXPECT_EQ(text.substr(text.size() - 27), "(bulkhead) without its end\n");
}

class ConsoleRing : public ConsoleTest {
  protected:
    Mfn page = *frame_table().allocate(guest);
    xencons_interface* ring = machine::frame_as<xencons_interface>(page);
    std::uint32_t references() {
        const Frame* const frame = frame_table().find(page);
        return frame != nullptr ? frame->references() : 0;
    }

    void produce(std::string_view text) {
        for (const char c : text)
            ring->out[ring->out_prod++ % sizeof ring->out] = c;
    }
};

TEST_F(ConsoleRing, EventDrainsTheRingAndTellsTheGuest) {
    const auto port = console_connect(guest, page);
    ASSERT_TRUE(port);
    produce("hello\n");
    ASSERT_TRUE(send_event(guest, *guest.vcpus[0], *port));
    EXPECT_EQ(shown(), "guest| hello\n");
    EXPECT_EQ(ring->out_cons, ring->out_prod);
    EXPECT_NE(guest.shared->evtchn_pending[0] & 1UL << port->value(), 0U);
    ASSERT_TRUE(send_event(guest, *guest.vcpus[0], *port));
    EXPECT_EQ(shown(), "");
}

TEST_F(ConsoleRing, IndicesWrap) {
    ring->out_prod = ring->out_cons = 0xffff'fff0;
    ASSERT_TRUE(console_connect(guest, page));
    produce("across the edge of everything\n");
    console_drain(guest);
    EXPECT_EQ(shown(), "guest| across the edge of everything\n");
    EXPECT_EQ(ring->out_cons, 14U);
}

TEST_F(ConsoleRing, AFullRingInOneCall) {
    ASSERT_TRUE(console_connect(guest, page));
    produce(std::string(sizeof ring->out, 'y'));
    console_drain(guest);
    console_flush(guest, true);
    const std::string text = shown();
    EXPECT_EQ(std::ranges::count(text, 'y'), 2048);
}

TEST_F(ConsoleRing, WildIndicesAreSkipped) {
    ASSERT_TRUE(console_connect(guest, page));
    std::memset(ring->out, '\n', sizeof ring->out);
    ring->out_prod = sizeof ring->out + 1;
    console_drain(guest);
    EXPECT_EQ(shown(), "");
    ring->out_cons = 12345; // the guest's side of the truth is not asked
    produce("back in step\n");
    console_drain(guest);
    EXPECT_EQ(shown(), "guest| back in step\n");
}

TEST_F(ConsoleRing, HoldsTheFrameWhileConnected) {
    const auto before = references();
    ASSERT_TRUE(console_connect(guest, page));
    EXPECT_EQ(references(), before + 1);
    EXPECT_FALSE(get_typed(page, FrameType::l1, guest)); // it can't become a page table meanwhile
    ASSERT_TRUE(console_connect(guest, page));           // connected anew
    EXPECT_EQ(references(), before + 1);
    EXPECT_TRUE(console_disconnect(guest));
    EXPECT_TRUE(console_disconnect(guest));
    EXPECT_EQ(references(), before);
    console_drain(guest);
    EXPECT_EQ(guest.console->ring_frame, Mfn{});
}

TEST_F(ConsoleRing, OnlyTheGuestsOwnWritableFrame) {
    EXPECT_FALSE(console_connect(control, page));
    EXPECT_FALSE(console_connect(guest, Mfn{1 << 30}));
    std::memset(ring, 0, page_bytes);
    ASSERT_TRUE(get_typed(page, FrameType::l1, guest));
    EXPECT_FALSE(console_connect(guest, page));
}

TEST_F(ConsoleRing, NoPortNoReference) {
    guest.memory.max_metadata = guest.memory.metadata;
    for (std::uint32_t i = 1; i < EventChannels::ports_per_page; ++i)
        ASSERT_TRUE(bind_ipi(guest, 0));
    const auto before = references();
    EXPECT_EQ(console_connect(guest, page), fail(Error::no_memory));
    EXPECT_EQ(references(), before);
}

TEST_F(ConsoleRing, SlowSerialLineMakesTheGuestWait) {
    const auto port = console_connect(guest, page);
    ASSERT_TRUE(port);
    const std::string text(sizeof ring->out, '\n'); // each becomes eight bytes
    produce(text);
    world.machine.preempt_every = 1;
    std::uint32_t calls = 0;
    for (; ring->out_cons != ring->out_prod && calls < 10'000; ++calls) {
        const auto sent = world.machine.console.size();
        ASSERT_TRUE(send_event(guest, *guest.vcpus[0], *port));
        ASSERT_LE(world.machine.console.size() - sent, 32U); // no section sends more
    }
    EXPECT_GT(calls, 500U);
    EXPECT_EQ(std::ranges::count(shown(), '\n'), 2048); // and nothing is lost
}

TEST_F(ConsoleRing, LastWordsEndThoughSomebodyWritesOn) {
    ASSERT_TRUE(console_connect(guest, page));
    world.machine.preempt_every = 1;
    int calls = 0;
    for (;; ++calls) {
        std::memset(ring->out, 'x', sizeof ring->out);
        ring->out_prod = ring->out_cons + sizeof ring->out;
        if (console_disconnect(guest))
            break;
        ASSERT_LT(calls, 1000);
    }
    EXPECT_GE(calls, 31);
    EXPECT_EQ(guest.console->ring, nullptr);
}

TEST_F(ConsoleTest, ConsoleIoIsOverWhenTheSerialLineHasItAll) {
    const std::string text = std::string(199, 'a') + "\n" + std::string(199, 'b') + "\n";
    std::memcpy(world.guest.data(), text.data(), text.size());
    world.machine.preempt_every = 1;
    EXPECT_EQ(world.call<ConsoleIo>(*guest.vcpus[0], CONSOLEIO_write, text.size(), world.guest_base), 0);
    EXPECT_GE(world.restarts, 414U / 32);
    const std::string expected =
        "guest| " + std::string(199, 'a') + "\nguest| " + std::string(199, 'b') + "\n";
    EXPECT_EQ(world.machine.console, expected);
}

TEST_F(ConsoleTest, ConsoleIoIsLosslessHoweverLongAndManyItsLines) {
    std::ranges::fill(world.guest, std::byte{'\n'});
    world.machine.preempt_every = 3;
    EXPECT_EQ(world.call<ConsoleIo>(*guest.vcpus[0], CONSOLEIO_write, world.guest.size(), world.guest_base),
              0);
    EXPECT_EQ(static_cast<std::size_t>(std::ranges::count(world.machine.console, '\n')), world.guest.size());
}

TEST_F(ConsoleTest, ConsoleIoWrongUse) {
    Vcpu& vcpu = *guest.vcpus[0];
    EXPECT_EQ(world.call<ConsoleIo>(vcpu, CONSOLEIO_write, 4, 0), fail(Error::bad_address));
    EXPECT_EQ(world.call<ConsoleIo>(vcpu, CONSOLEIO_write, 0x8000'0000, world.guest_base),
              fail(Error::invalid));
    EXPECT_EQ(world.call<ConsoleIo>(vcpu, 7, 4, world.guest_base), fail(Error::not_implemented));
    EXPECT_EQ(world.call<ConsoleIo>(vcpu, CONSOLEIO_read, 4, world.guest_base), 0);
    EXPECT_EQ(world.call<ConsoleIo>(vcpu, CONSOLEIO_write, 0, 0), 0);
}

TEST(Format, Conversions) {
    char out[64];
    EXPECT_EQ(format_text(out, sizeof out, "%d %u %x %X %c%%", -5, 7U, 255U, 255U, 'q'), 13U);
    EXPECT_STREQ(out, "-5 7 ff FF q%");
    format_text(out, sizeof out, "%5d|%-5d|%05d|%-5s|%5s", 42, 42, -42, "ab", "cd");
    EXPECT_STREQ(out, "   42|42   |-0042|ab   |   cd");
    format_text(out, sizeof out, "%lx %llu %016lx %zu", 0xffff'8000'0000'0000UL, ~0ULL, 0xabcUL, sizeof(int));
    EXPECT_STREQ(out, "ffff800000000000 18446744073709551615 0000000000000abc 4");
    format_text(out, sizeof out, "%ld %.3s %p", INT64_MIN, "abcdef", reinterpret_cast<void*>(0x1234));
    EXPECT_STREQ(out, "-9223372036854775808 abc 0x1234");
}

TEST(Format, CutsWhatDoesNotFit) {
    char out[8];
    EXPECT_EQ(format_text(out, sizeof out, "%s", "a long string"), 7U);
    EXPECT_STREQ(out, "a long ");
    EXPECT_EQ(format_text(out, 1, "%d", 5), 0U);
    EXPECT_STREQ(out, "");
    format_text(out, sizeof out, "%4000d", 5);
    EXPECT_STREQ(out, "       ");
}

class VersionTest : public ConsoleTest {
  protected:
    HypercallResult call(std::uint32_t command) { return call(command, world.guest_base); }
    HypercallResult call(std::uint32_t command, std::uint64_t argument) {
        return world.call<XenVersion>(*guest.vcpus[0], command, argument);
    }
    const char* text() { return reinterpret_cast<const char*>(world.guest.data()); }
};

TEST_F(VersionTest, Answers) {
    EXPECT_EQ(call(XENVER_version), 4 << 16 | 17);
    EXPECT_EQ(call(XENVER_pagesize), 4096);
    EXPECT_EQ(call(XENVER_extraversion), 0);
    EXPECT_STREQ(text(), "-bulkhead");
    EXPECT_EQ(call(XENVER_capabilities), 0);
    EXPECT_STREQ(text(), "xen-3.0-x86_64 ");
    EXPECT_EQ(call(XENVER_platform_parameters), 0);
    EXPECT_EQ(world.get<std::uint64_t>(), 0xffff'8000'0000'0000);
    EXPECT_EQ(call(XENVER_build_id), fail(Error::no_data));
    EXPECT_EQ(call(99), fail(Error::not_implemented));
    EXPECT_EQ(call(XENVER_extraversion, 0), fail(Error::bad_address));
}

TEST_F(VersionTest, AnswersFillTheirTypeAndNoMore) {
    const auto check = [&](std::uint32_t command, std::size_t bytes) {
        std::ranges::fill(world.guest, std::byte{0xee});
        ASSERT_EQ(call(command), 0);
        EXPECT_NE(world.guest[bytes - 1], std::byte{0xee}) << command;
        EXPECT_EQ(world.guest[bytes], std::byte{0xee}) << command;
    };
    check(XENVER_extraversion, sizeof(xen_extraversion_t));
    check(XENVER_compile_info, sizeof(xen_compile_info_t));
    check(XENVER_capabilities, sizeof(xen_capabilities_info_t));
    check(XENVER_changeset, sizeof(xen_changeset_info_t));
    check(XENVER_platform_parameters, sizeof(xen_platform_parameters_t));
    check(XENVER_guest_handle, sizeof(xen_domain_handle_t));
    check(XENVER_commandline, sizeof(xen_commandline_t));
}

TEST_F(VersionTest, Features) {
    world.put(xen_feature_info_t{.submap_idx = 0, .submap = 0});
    EXPECT_EQ(call(XENVER_get_features), 0);
    EXPECT_EQ(world.get<xen_feature_info_t>().submap, version::features);
    EXPECT_EQ(version::features & 1U << XENFEAT_writable_page_tables, 0U);
    world.put(xen_feature_info_t{.submap_idx = XENFEAT_NR_SUBMAPS, .submap = 0});
    EXPECT_EQ(call(XENVER_get_features), fail(Error::invalid));
}

} // namespace
} // namespace bulkhead::hv::test
