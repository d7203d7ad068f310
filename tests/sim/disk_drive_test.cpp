// Modelled disks at work: when each kind is done with what it has taken.
#include "device/drive.hpp"

#include <array>
#include <gtest/gtest.h>
#include <vector>

namespace bulkhead::device {
namespace {

using ringctl::Operation;

constexpr std::uint64_t stripe = 128; // sectors of a channel's piece

// A drive and the requests that it was given.
class Drive {
  public:
    explicit Drive(const Disk& disk) : drive_{disk} {}

    Nanos serve(Operation operation, std::uint64_t sector, std::uint32_t bytes, Nanos at = {}) {
        auto& request = requests_.at(given_++);
        request.operation = operation;
        request.sector = sector;
        request.bytes = bytes;
        request.parts = 1;
        return drive_.serve(request, RealTime{} + at);
    }
    struct End {
        std::size_t request;
        Nanos at;
        friend bool operator==(const End&, const End&) = default;
    };
    // All that it has, in the order in which it is done with them.
    std::vector<End> ends() {
        std::vector<End> found;
        while (drive_.next() != RealTime::never()) {
            const RealTime at = drive_.next();
            const auto service = drive_.take_done();
            EXPECT_EQ(service.done, at);
            found.push_back({static_cast<std::size_t>(service.request - requests_.data()), at.since_start()});
        }
        return found;
    }
    Nanos estimate(Operation operation, std::uint32_t bytes, bool sequential) const {
        host::RequestFields fields;
        fields.operation = operation;
        fields.bytes = bytes;
        fields.parts = 1;
        return drive_.estimate(fields, sequential);
    }

  private:
    DiskDrive drive_;
    std::array<host::Request, deepest_disk> requests_{};
    std::size_t given_ = 0;
};

constexpr Disk rotating{.request = microseconds(100),
                        .seek = microseconds(4'000),
                        .bytes_per_us = 1'000,
                        .depth = 8,
                        .sectors = 1 << 20,
                        .stroke = microseconds(8'000)};
constexpr Disk flash{.request = microseconds(80),
                     .seek = {},
                     .bytes_per_us = 1'000'000,
                     .depth = 64,
                     .flush = microseconds(500),
                     .channels = 4,
                     .program = microseconds(300)};

TEST(RotatingDisk, TravelsByTheSquareRootOfTheDistance) {
    EXPECT_EQ(rotating.travel(0), Nanos{});
    EXPECT_EQ(rotating.travel(1 << 20), rotating.stroke);
    EXPECT_EQ(rotating.travel(1 << 18), rotating.stroke / 2);
    EXPECT_EQ(rotating.travel(1 << 16), rotating.stroke / 4);
    EXPECT_EQ(rotating.travel(std::uint64_t{1} << 40), rotating.stroke) << "no farther than the whole disk";
    for (std::uint64_t distance = 0, before = 0; distance < 1 << 20; distance += 4'099) {
        const auto takes = static_cast<std::uint64_t>(rotating.travel(distance).count());
        EXPECT_GE(takes, before);
        before = takes;
    }
}

TEST(RotatingDisk, SeeksFromWhereTheLastRequestEnded) {
    Drive drive{rotating};
    EXPECT_EQ(drive.serve(Operation::read, 0, 512 * 256), microseconds(100) + Nanos{131'072});
    EXPECT_EQ(drive.serve(Operation::read, 256, 1'000), microseconds(101)) << "it goes on";
    EXPECT_EQ(drive.serve(Operation::write, (1 << 18) + 258, 1'000), microseconds(101 + 4'000 + 4'000));
    EXPECT_EQ(drive.serve(Operation::write, 260 + (1 << 18) - (1 << 16), 1'000),
              microseconds(101 + 4'000 + 2'000))
        << "back again, a sixteenth of the disk";
    EXPECT_EQ(drive.serve(Operation::flush, 0, 0), microseconds(100)) << "the arm stays";
    EXPECT_EQ(drive.estimate(Operation::read, 1'000, false), microseconds(101 + 4'000 + 4'000));
    EXPECT_EQ(drive.estimate(Operation::read, 1'000, true), microseconds(101));
}

TEST(Flash, ServesItsChannelsAtTheSameTime) {
    Drive drive{flash};
    for (std::uint64_t channel = 0; channel < 4; ++channel)
        EXPECT_EQ(drive.serve(Operation::read, channel * stripe, 512), microseconds(80));
    EXPECT_EQ(drive.serve(Operation::read, 4 * stripe, 512), microseconds(80)) << "the first channel again";
    const std::vector<Drive::End> expected{{0, microseconds(80)},
                                           {1, microseconds(80)},
                                           {2, microseconds(80)},
                                           {3, microseconds(80)},
                                           {4, microseconds(160)}};
    EXPECT_EQ(drive.ends(), expected);
}

TEST(Flash, IsDoneWithAReadBeforeAWriteThatCameFirst) {
    Drive drive{flash};
    drive.serve(Operation::write, 0, 512);
    drive.serve(Operation::read, stripe, 512);
    drive.serve(Operation::read, 0, 512); // behind the write
    const std::vector<Drive::End> expected{
        {1, microseconds(80)}, {0, microseconds(380)}, {2, microseconds(460)}};
    EXPECT_EQ(drive.ends(), expected);
    EXPECT_EQ(drive.estimate(Operation::write, 512, false), microseconds(380));
}

TEST(Flash, FlushesWhenAllChannelsAreDoneAndDoesNothingElseMeanwhile) {
    Drive drive{flash};
    drive.serve(Operation::write, 0, 512);
    EXPECT_EQ(drive.serve(Operation::flush, 0, 0), microseconds(580));
    drive.serve(Operation::read, 3 * stripe, 512);
    const std::vector<Drive::End> expected{
        {0, microseconds(380)}, {1, microseconds(960)}, {2, microseconds(1'040)}};
    EXPECT_EQ(drive.ends(), expected);
}

TEST(Flash, ErasesAfterSoManyBytesAndLetsOtherChannelsServe) {
    Disk erasing = flash;
    erasing.erase = microseconds(2'000);
    erasing.erase_bytes = 8'192;
    Drive drive{erasing};
    EXPECT_EQ(drive.serve(Operation::write, 0, 4'096), microseconds(380) + Nanos{4});
    EXPECT_EQ(drive.serve(Operation::write, 0, 4'096), microseconds(2'380) + Nanos{4})
        << "it makes erasing due";
    drive.serve(Operation::read, 0, 512);
    drive.serve(Operation::read, stripe, 512);
    const std::vector<Drive::End> expected{{3, microseconds(80)},
                                           {0, microseconds(380) + Nanos{4}},
                                           {1, microseconds(760) + Nanos{8}},
                                           {2, microseconds(2'840) + Nanos{8}}};
    EXPECT_EQ(drive.ends(), expected);
    EXPECT_EQ(drive.estimate(Operation::write, 4'096, false), microseconds(1'380) + Nanos{4})
        << "half of an erasing is its part";
    EXPECT_EQ(drive.serve(Operation::write, 2 * stripe, 32'768), microseconds(380 + 8'000) + Nanos{32})
        << "four times";
}

TEST(AnyDisk, IsDoneWithEachRequestInTheOrderOfTime) {
    Disk deep = flash;
    deep.channels = 7;
    deep.depth = 1'000; // more than there is room for
    Drive drive{deep};
    std::uint64_t random = 12'345;
    for (std::uint32_t i = 0; i < deepest_disk; ++i) {
        random = random * 6'364'136'223'846'793'005 + 1'442'695'040'888'963'407;
        drive.serve((random >> 40) % 3 == 0 ? Operation::write : Operation::read, (random >> 33) % (1 << 20),
                    4'096);
    }
    const auto ends = drive.ends();
    ASSERT_EQ(ends.size(), deepest_disk);
    std::vector<bool> seen(deepest_disk);
    for (std::size_t i = 0; i < ends.size(); ++i) {
        EXPECT_FALSE(seen.at(ends[i].request));
        seen[ends[i].request] = true;
        EXPECT_TRUE(i == 0 || ends[i - 1].at < ends[i].at ||
                    (ends[i - 1].at == ends[i].at && ends[i - 1].request < ends[i].request));
    }
}

} // namespace
} // namespace bulkhead::device
