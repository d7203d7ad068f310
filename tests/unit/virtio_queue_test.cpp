// The driver's side of a virtio queue, against a device that keeps to the rules and one that does not.
#include "hv/io/virtio_queue.hpp"

#include <cstring>
#include <gtest/gtest.h>
#include <vector>

namespace bulkhead::hv {
namespace {

constexpr std::uint16_t entries = 8, pieces = 2; // so there are four chains

// It reads the queue's memory as the specification lays it out, by offsets of its own.
class Device {
  public:
    explicit Device(std::byte* memory) : memory_{memory} {}

    // Heads of the chains that were shown, in their order.
    [[nodiscard]] std::vector<std::uint16_t> shown() const {
        std::vector<std::uint16_t> heads;
        for (std::uint16_t i = taken_; i != read<std::uint16_t>(available + 2); ++i)
            heads.push_back(read<std::uint16_t>(available + 4 + i % entries * 2U));
        return heads;
    }
    struct Found {
        std::uint64_t physical;
        std::uint32_t bytes;
        std::uint16_t flags, next;
    };
    [[nodiscard]] Found descriptor(std::uint16_t number) const { return read<Found>(number * 16U); }
    void give_back(std::uint32_t id, std::uint32_t bytes) {
        write<std::uint32_t>(used + 4 + index_ % entries * 8U, id);
        write<std::uint32_t>(used + 8 + index_ % entries * 8U, bytes);
        ++taken_;
        say(static_cast<std::uint16_t>(index_ + 1));
    }
    void say(std::uint16_t index) {
        index_ = index;
        write<std::uint16_t>(used + 2, index);
    }

  private:
    static constexpr std::size_t available = entries * 16, used = 4096;
    template<class T>
    [[nodiscard]] T read(std::size_t offset) const {
        T value;
        std::memcpy(&value, memory_ + offset, sizeof value);
        return value;
    }
    template<class T>
    void write(std::size_t offset, T value) {
        std::memcpy(memory_ + offset, &value, sizeof value);
    }
    std::byte* memory_;
    std::uint16_t taken_ = 0, index_ = 0;
};

class VirtQueueTest : public testing::Test {
  protected:
    // Chain with a piece to read and one of `bytes` to write.
    void put(std::uint16_t chain, std::uint32_t bytes = 512) {
        const VirtQueue::Piece two[] = {{.physical = 0x1000, .bytes = 16, .written = false},
                                        {.physical = 0x2000, .bytes = bytes, .written = true}};
        queue_.put(chain, two);
    }
    void expect_broken() {
        EXPECT_FALSE(queue_.take());
        EXPECT_TRUE(queue_.is_broken());
        EXPECT_FALSE(queue_.take()) << "a broken queue gives nothing, whatever the device says then";
    }

    alignas(4096) std::array<std::byte, VirtQueue::bytes_for(entries)> memory_{};
    VirtQueue queue_{memory_.data(), entries, pieces};
    Device device_{memory_.data()};
};

TEST_F(VirtQueueTest, ItHasAPageForEachHalf) { EXPECT_EQ(VirtQueue::bytes_for(256), 3 * 4096U); }

TEST_F(VirtQueueTest, AChainLiesInItsOwnDescriptors) {
    put(3, 1024);
    ASSERT_EQ(device_.shown(), std::vector<std::uint16_t>{6});
    const auto first = device_.descriptor(6), second = device_.descriptor(7);
    EXPECT_EQ(first.physical, 0x1000U);
    EXPECT_EQ(first.flags, 1); // goes on
    EXPECT_EQ(first.next, 7);
    EXPECT_EQ(second.bytes, 1024U);
    EXPECT_EQ(second.flags, 2); // is written, and the last
}

TEST_F(VirtQueueTest, ChainsComeBackInAnyOrder) {
    for (std::uint16_t chain = 0; chain < queue_.chains(); ++chain)
        put(chain);
    EXPECT_FALSE(queue_.take());
    device_.give_back(4, 100);
    device_.give_back(0, 512);
    const auto first = queue_.take(), second = queue_.take();
    ASSERT_TRUE(first && second);
    EXPECT_EQ(first->chain, 2);
    EXPECT_EQ(first->bytes, 100U);
    EXPECT_EQ(second->chain, 0);
    EXPECT_EQ(queue_.in_flight(), 2);
    EXPECT_FALSE(queue_.take());
    EXPECT_FALSE(queue_.is_broken());
}

TEST_F(VirtQueueTest, ItsIndicesWrap) {
    for (std::uint32_t i = 0; i < 70'000; ++i) {
        const auto chain = static_cast<std::uint16_t>(i % 4);
        put(chain);
        ASSERT_EQ(device_.shown(), std::vector<std::uint16_t>{static_cast<std::uint16_t>(chain * 2)});
        device_.give_back(chain * 2U, 1);
        const auto back = queue_.take();
        ASSERT_TRUE(back);
        ASSERT_EQ(back->chain, chain);
    }
}

TEST_F(VirtQueueTest, ADeviceThatIsAheadOfWhatItWasGivenBreaksIt) {
    put(0);
    device_.say(2);
    expect_broken();
}

TEST_F(VirtQueueTest, ADeviceThatGoesBackBreaksIt) {
    put(0);
    device_.give_back(0, 1);
    ASSERT_TRUE(queue_.take());
    put(1);
    device_.say(0);
    expect_broken();
}

TEST_F(VirtQueueTest, AChainThatIsNotInFlightBreaksIt) {
    put(0);
    device_.give_back(2, 1);
    expect_broken();
}

TEST_F(VirtQueueTest, AChainThatComesBackTwiceBreaksIt) {
    put(0);
    put(1);
    device_.give_back(0, 1);
    device_.give_back(0, 1);
    EXPECT_TRUE(queue_.take());
    expect_broken();
}

TEST_F(VirtQueueTest, ADescriptorThatIsNotAHeadBreaksIt) {
    put(0);
    device_.give_back(1, 1);
    expect_broken();
}

TEST_F(VirtQueueTest, ANumberBeyondTheQueueBreaksIt) {
    put(0);
    for (const std::uint32_t id : {8U, 0x10000U, 0xffffffffU, 0xfffffffeU}) {
        VirtQueue fresh{memory_.data(), entries, pieces};
        Device device{memory_.data()};
        device.say(0);
        fresh.put(0, std::array{VirtQueue::Piece{.physical = 0, .bytes = 1, .written = true}});
        device.give_back(id, 1);
        EXPECT_FALSE(fresh.take()) << id;
        EXPECT_TRUE(fresh.is_broken()) << id;
    }
}

TEST_F(VirtQueueTest, MoreBytesThanTheDeviceCouldWriteBreakIt) {
    put(0, 512);
    device_.give_back(0, 513);
    expect_broken();
}

} // namespace
} // namespace bulkhead::hv
