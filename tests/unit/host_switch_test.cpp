// device/switch.hpp, link.hpp and fair_line.hpp: where packets go, when they arrive, what is dropped, whose
// turn it is.
#include "device/fair_line.hpp"
#include "device/switch.hpp"

#include <gtest/gtest.h>
#include <memory>

namespace bulkhead::device {
namespace {

constexpr Mac everybody{0xffffffffffff};
constexpr Load one{.places = 1, .wire = {.packets = 1, .bytes = 100}};
constexpr std::uint32_t all = Switch::all_ports, none = Switch::no_port;

Mac own(std::uint64_t port) { return {0x00163e000000 + port}; }
Mac stranger(std::uint64_t number) { return {0x020000000000 + number}; }

class SwitchTest : public testing::Test {
  protected:
    // Ports 0 to 2 are of one network, 3 and 4 of another.
    SwitchTest() {
        for (std::uint64_t port = 0; port < 5; ++port)
            EXPECT_TRUE(switch_->add_port(port < 3 ? 0 : 1, own(port)));
    }
    std::uint32_t forward(std::uint32_t from, Mac source, Mac target) {
        return switch_->forward(from, source, target, one.wire);
    }
    std::unique_ptr<Switch> switch_ = std::make_unique<Switch>(SwitchModel{
        .link = {.bytes_per_us = 100, .delay = microseconds(50)},
        .buffer = 4,
    });
};

TEST(Link, PacketsLeaveOneAfterAnotherAndArriveAfterTheDelay) {
    const Link link{.bytes_per_us = 100, .delay = microseconds(50)};
    LinkLine line;
    const RealTime start = RealTime{} + microseconds(10);
    EXPECT_EQ(line.send(link, 1000, start), start + microseconds(60));
    EXPECT_EQ(line.send(link, 500, start), start + microseconds(65));
    EXPECT_EQ(line.send(link, 100, start + microseconds(90)), start + microseconds(141));
    EXPECT_EQ(link.transmission(0), Nanos{1});
}

TEST(Mac, IsReadInTheOrderOfTheWire) {
    constexpr std::array bytes{std::byte{0x01}, std::byte{0x02}, std::byte{0x03},
                               std::byte{0x04}, std::byte{0x05}, std::byte{0xff}};
    EXPECT_EQ(Mac::of(bytes).bits, 0x0102030405ffU);
    EXPECT_TRUE(Mac::of(bytes).is_group());
    EXPECT_FALSE(own(1).is_group());
}

TEST_F(SwitchTest, AnOwnAddressIsFoundWithoutLearningAndOnlyInItsNetwork) {
    EXPECT_EQ(forward(0, own(0), own(2)), 2U);
    EXPECT_EQ(forward(0, own(0), own(0)), none);
    EXPECT_EQ(forward(0, own(0), own(3)), all);
    EXPECT_EQ(forward(0, own(0), everybody), all);
    EXPECT_EQ(switch_->counters(0).flooded, 2U);
    EXPECT_TRUE(switch_->are_connected(0, 2));
    EXPECT_FALSE(switch_->are_connected(0, 0));
    EXPECT_FALSE(switch_->are_connected(2, 3));
}

TEST_F(SwitchTest, AddressesAndPortsAreGivenOnce) {
    EXPECT_FALSE(switch_->add_port(0, own(3)));
    EXPECT_FALSE(switch_->add_port(0, everybody));
    for (std::uint64_t port = 5; port < Switch::max_ports; ++port)
        EXPECT_TRUE(switch_->add_port(0, own(port)));
    EXPECT_FALSE(switch_->add_port(0, own(Switch::max_ports)));
    EXPECT_EQ(switch_->ports(), Switch::max_ports);
}

TEST_F(SwitchTest, ASenderIsLearnedAndMoves) {
    EXPECT_EQ(forward(1, own(1), stranger(7)), all);
    EXPECT_EQ(forward(0, stranger(7), everybody), all);
    EXPECT_EQ(forward(1, own(1), stranger(7)), 0U);
    static_cast<void>(forward(2, stranger(7), everybody));
    EXPECT_EQ(forward(1, own(1), stranger(7)), 2U);
    EXPECT_EQ(forward(3, own(3), stranger(7)), all) << "another network";
    switch_->empty(2);
    EXPECT_EQ(forward(1, own(1), stranger(7)), all);
}

TEST_F(SwitchTest, AStationCannotTakeAnothersOwnAddress) {
    static_cast<void>(forward(1, own(0), everybody));
    EXPECT_EQ(forward(2, own(2), own(0)), 0U);
}

TEST_F(SwitchTest, APortLearnsOnlySoManyAndTheRestOfTheTableStays) {
    static_cast<void>(forward(0, stranger(0), everybody));
    for (std::uint64_t i = 1; i < 5000; ++i)
        static_cast<void>(forward(1, stranger(i), everybody));
    std::uint32_t learned = 0;
    for (std::uint64_t i = 1; i < 5000; ++i)
        learned += forward(2, own(2), stranger(i)) == 1 ? 1U : 0U;
    EXPECT_EQ(learned, Switch::most_learned);
    EXPECT_EQ(forward(2, own(2), stranger(0)), 0U);
}

TEST_F(SwitchTest, AFullTableForgetsButKeepsItsCounts) {
    for (std::uint64_t port = 5; port < Switch::max_ports; ++port)
        ASSERT_TRUE(switch_->add_port(0, own(port)));
    for (std::uint32_t port = 5; port < Switch::max_ports; ++port)
        for (std::uint64_t i = 0; i < Switch::most_learned; ++i)
            static_cast<void>(forward(port, stranger(port * 100 + i), everybody));
    for (std::uint32_t port = 5; port < Switch::max_ports; ++port)
        switch_->empty(port);
    static_cast<void>(forward(5, stranger(1), everybody));
    EXPECT_EQ(forward(6, own(6), stranger(1)), 5U);
}

TEST_F(SwitchTest, ABufferIsFullUntilItsStationTakesAPacket) {
    for (const std::uint32_t from : {0U, 2U, 0U, 2U})
        EXPECT_TRUE(switch_->admit(1, from, one));
    EXPECT_FALSE(switch_->admit(1, 3, one));
    EXPECT_TRUE(switch_->admit(2, 0, one)) << "another port has its own";
    switch_->release(1, 0, one, false);
    EXPECT_TRUE(switch_->admit(1, 0, one));
    switch_->release(1, 2, one, true);
    const auto& counters = switch_->counters(1);
    EXPECT_EQ(counters.dropped, 2U);
    EXPECT_EQ(counters.received_packets, 1U);
    EXPECT_EQ(counters.received_bytes, 100U);
    switch_->empty(1);
    for (const std::uint32_t from : {0U, 2U, 0U, 2U})
        EXPECT_TRUE(switch_->admit(1, from, one));
}

TEST_F(SwitchTest, NoFloodFillsABuffer) {
    for (int i = 0; i < 3; ++i)
        EXPECT_TRUE(switch_->admit(1, 0, one));
    EXPECT_FALSE(switch_->admit(1, 0, one)) << "the last place is for others";
    EXPECT_TRUE(switch_->admit(1, 2, one));
    switch_->release(1, 2, one, false);
    EXPECT_FALSE(switch_->admit(1, 0, one));
    switch_->release(1, 0, one, false);
    EXPECT_TRUE(switch_->admit(1, 0, one));
}

TEST_F(SwitchTest, EachPortHasItsOwnLink) {
    const RealTime start = RealTime{} + microseconds(1);
    EXPECT_EQ(switch_->send(0, {1, 1000}, start), start + microseconds(60));
    EXPECT_EQ(switch_->send(0, {1, 1000}, start), start + microseconds(70));
    EXPECT_EQ(switch_->send(1, {1, 1000}, start), start + microseconds(60));
}

TEST(Segments, ALinkCarriesTheHeadersWithEachOfThem) {
    static_assert(on_the_wire(60, 0, 66) == Wire{1, 60});
    static_assert(on_the_wire(1514, 1448, 66) == Wire{1, 1514});
    static_assert(on_the_wire(1515, 1448, 66) == Wire{2, 1515 + 66});
    static_assert(on_the_wire(66 + 44 * 1448, 1448, 66) == Wire{44, 44 * 1514});
    static_assert(on_the_wire(66 + 44 * 1448 + 1, 1448, 66) == Wire{45, 44 * 1514 + 67});
    static_assert(on_the_wire(40, 1, 66) == Wire{1, 40}, "shorter than the headers");
    static_assert(on_the_wire(65535, 1, 66).packets == 65535 - 66);
    constexpr auto longest = on_the_wire(65535, 1448, headers_of_tcp4);
    const Link link{.bytes_per_us = 100, .delay = microseconds(50)};
    EXPECT_EQ(LinkLine{}.send(link, longest.bytes, RealTime{}),
              RealTime{} + microseconds(50) + link.transmission(65535 + 45 * 66));
}

// Large packets are admitted as if their places were taken one after another.
TEST_F(SwitchTest, APacketOfManyPlacesIsAdmittedWholeOrNotAtAll) {
    const Load two{.places = 2, .wire = {.packets = 3, .bytes = 300}}, four{.places = 4, .wire = {}};
    EXPECT_FALSE(switch_->admit(1, 0, four)) << "a sender's part of four places is three";
    EXPECT_TRUE(switch_->admit(1, 0, two));
    EXPECT_FALSE(switch_->admit(1, 0, two)) << "the last place is for others";
    EXPECT_TRUE(switch_->admit(1, 0, one));
    EXPECT_FALSE(switch_->admit(1, 2, two)) << "one place is left";
    switch_->release(1, 0, two, false);
    EXPECT_EQ(switch_->counters(1).received_packets, 3U);
    EXPECT_EQ(switch_->counters(1).received_bytes, 300U);
    EXPECT_EQ(switch_->counters(1).dropped, 1U + 3 + 3);
    EXPECT_TRUE(switch_->admit(1, 2, two));
    switch_->drop(1, two.wire);
    EXPECT_EQ(switch_->counters(1).dropped, 10U);
    EXPECT_TRUE(switch_->admit(1, 0, one));
    EXPECT_FALSE(switch_->admit(1, 3, one)) << "all places are taken";
}

class FairLineTest : public testing::Test {
  protected:
    static constexpr std::uint32_t flood = 7, quiet = 3, other = 200;
    std::uint32_t take() {
        const auto place = line_.next();
        line_.take();
        return place;
    }
    FairLine line_;
};

TEST_F(FairLineTest, PacketsOfOneSenderKeepTheirOrder) {
    for (const std::uint32_t place : {5U, 0U, 63U, 9U})
        line_.add(place, flood, 1);
    for (const std::uint32_t place : {5U, 0U, 63U, 9U})
        EXPECT_EQ(take(), place);
    EXPECT_TRUE(line_.is_empty());
}

TEST_F(FairLineTest, AFloodWaitsBehindItself) {
    for (std::uint32_t place = 0; place < 48; ++place)
        line_.add(place, flood, 1);
    EXPECT_EQ(take(), 0U);
    line_.add(60, quiet, 1);
    line_.add(61, other, 1);
    EXPECT_EQ(take(), 1U);
    EXPECT_EQ(take(), 60U);
    EXPECT_EQ(take(), 61U);
    for (std::uint32_t place = 2; place < 48; ++place)
        EXPECT_EQ(take(), place);
}

TEST_F(FairLineTest, ASenderOfOneAtATimeTakesTurnsWithAFlood) {
    for (std::uint32_t place = 0; place < 20; ++place)
        line_.add(place, flood, 1);
    line_.add(40, quiet, 1);
    std::uint32_t flooded = 0;
    for (std::uint32_t i = 0; i < 20; ++i)
        if (take() == 40)
            line_.add(40, quiet, 1);
        else
            ++flooded;
    EXPECT_EQ(flooded, 10U);
}

TEST_F(FairLineTest, APacketCountsForAllThatItStandsFor) {
    for (std::uint32_t place = 0; place < 4; ++place)
        line_.add(place, flood, 10);
    for (std::uint32_t place = 20; place < 50; ++place)
        line_.add(place, quiet, 1);
    std::uint32_t large = 0;
    for (std::uint32_t i = 0; i < 22; ++i)
        large += take() < 4 ? 1U : 0U;
    EXPECT_EQ(large, 2U);
}

TEST_F(FairLineTest, AsManySendersAsPackets) {
    for (std::uint32_t place = 0; place < FairLine::most; ++place)
        line_.add(place, 255 - place, 1);
    for (std::uint32_t place = 0; place < FairLine::most; ++place)
        EXPECT_EQ(take(), place);
    line_.add(1, flood, 1);
    line_.clear();
    EXPECT_TRUE(line_.is_empty());
}

} // namespace
} // namespace bulkhead::device
