// See blocks.hpp.
#include "guest/dom0/xenstore/blocks.hpp"

#include <algorithm>
#include <cstring>

namespace bulkhead::xenstore {

void BlockPool::start(std::span<Block> storage) {
    blocks_ = storage;
    free_ = free_count_ = 0;
    for (auto i = static_cast<std::uint32_t>(storage.size()); i-- > 1;) {
        blocks_[i].next = free_;
        free_ = i;
        ++free_count_;
    }
}

Result<Text> BlockPool::store(std::string_view bytes) {
    const auto needed = blocks_for(bytes.size());
    if (needed > free_count_)
        return fail(Error::no_space);
    Text text{.first = 0, .length = static_cast<std::uint32_t>(bytes.size())};
    std::uint32_t* link = &text.first;
    while (!bytes.empty()) {
        const auto index = free_;
        Block& block = blocks_[index];
        free_ = block.next;
        const auto part = std::min(bytes.size(), sizeof block.bytes);
        std::memcpy(block.bytes, bytes.data(), part);
        bytes.remove_prefix(part);
        block.next = 0;
        *link = index;
        link = &block.next;
    }
    free_count_ -= needed;
    meter_.add(needed);
    return text;
}

void BlockPool::release(Text text) {
    for (auto index = text.first; index != 0;) {
        const auto next = blocks_[index].next;
        blocks_[index].next = free_;
        free_ = index;
        ++free_count_;
        meter_.add(1);
        index = next;
    }
}

bool BlockPool::equals(Text text, std::string_view bytes) const {
    if (text.length != bytes.size())
        return false;
    for (auto index = text.first; index != 0; index = blocks_[index].next) {
        const auto part = std::min(bytes.size(), sizeof(Block::bytes));
        meter_.add(1);
        if (std::memcmp(blocks_[index].bytes, bytes.data(), part) != 0)
            return false;
        bytes.remove_prefix(part);
    }
    return true;
}

std::size_t BlockPool::common(Text text, std::string_view bytes) const {
    const auto most = std::min<std::size_t>(text.length, bytes.size());
    std::size_t done = 0;
    for (auto index = text.first; done < most; index = blocks_[index].next)
        for (std::size_t i = 0; i < sizeof(Block::bytes) && done < most; ++i, ++done)
            if (blocks_[index].bytes[i] != bytes[done])
                return done;
    return done;
}

char BlockPool::at(Text text, std::size_t index) const {
    if (index >= text.length)
        return '\0';
    auto block = text.first;
    for (; index >= sizeof(Block::bytes); index -= sizeof(Block::bytes))
        block = blocks_[block].next;
    return blocks_[block].bytes[index];
}

std::string_view BlockPool::copy(Text text, std::span<char> out) const {
    const auto length = std::min<std::size_t>(text.length, out.size());
    std::size_t done = 0;
    for (auto index = text.first; done < length; index = blocks_[index].next) {
        const auto part = std::min(length - done, sizeof(Block::bytes));
        meter_.add(1);
        std::memcpy(out.data() + done, blocks_[index].bytes, part);
        done += part;
    }
    return {out.data(), length};
}

} // namespace bulkhead::xenstore
