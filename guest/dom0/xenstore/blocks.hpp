// Byte strings in a fixed pool of small blocks, so that storage cannot fragment and its limit is known
// beforehand.
#pragma once

#include "guest/dom0/xenstore/error.hpp"
#include "guest/dom0/xenstore/meter.hpp"

#include <span>

namespace bulkhead::xenstore {

struct Block {
    std::uint32_t next;
    char bytes[60];
};
static_assert(sizeof(Block) == 64);

// A string kept in the pool. Plain data: its holder must give it back exactly once.
struct Text {
    std::uint32_t first = 0; // 0: no block
    std::uint32_t length = 0;
};

constexpr std::uint32_t blocks_for(std::size_t bytes) {
    return static_cast<std::uint32_t>((bytes + sizeof(Block::bytes) - 1) / sizeof(Block::bytes));
}

class BlockPool {
  public:
    // Block 0 of the storage is never used.
    void start(std::span<Block> storage);

    [[nodiscard]] Result<Text> store(std::string_view bytes); // no_space
    void release(Text text);
    [[nodiscard]] bool equals(Text text, std::string_view bytes) const;
    // How many leading bytes are equal.
    [[nodiscard]] std::size_t common(Text text, std::string_view bytes) const;
    // The byte at `index`, or zero behind the end.
    [[nodiscard]] char at(Text text, std::size_t index) const;
    // Copies up to out.size() bytes; returns the part written.
    std::string_view copy(Text text, std::span<char> out) const;
    [[nodiscard]] std::uint32_t free_blocks() const { return free_count_; }
    // Counts each block that is touched, and what its users add.
    [[nodiscard]] Meter& meter() const { return meter_; }

  private:
    std::span<Block> blocks_;
    std::uint32_t free_ = 0;
    std::uint32_t free_count_ = 0;
    mutable Meter meter_;
};

} // namespace bulkhead::xenstore
