// Objects whose size only a plug-in knows, at addresses that never change. An address that a policy answers
// with is looked up without being followed, so that a wrong one is found out and not believed.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <vector>

namespace bulkhead::sim {

class Slab {
  public:
    static constexpr std::size_t line = 64;

    explicit Slab(std::size_t object_bytes, std::size_t first_chunk = 64)
        : pitch_{std::max<std::size_t>((object_bytes + 15) / 16 * 16, 16)}, inverse_{UINT64_MAX / pitch_ + 1},
          next_chunk_{first_chunk} {}

    // Zeroed memory for object number count(). The first `first_chunk` lie in one piece, `pitch` apart.
    [[nodiscard]] std::byte* create() {
        if (chunks_.empty() || chunks_.back().used == chunks_.back().size)
            grow();
        Chunk& chunk = chunks_.back();
        std::byte* object = chunk.memory.get() + pitch_ * chunk.used++;
        std::memset(object, 0, pitch_); // here and not in grow: what is never used stays out of memory
        return object;
    }
    [[nodiscard]] std::optional<std::size_t> index_of(const void* object) const {
        const auto* address = static_cast<const std::byte*>(object);
        for (auto chunk = chunks_.rbegin(); chunk != chunks_.rend(); ++chunk) {
            const auto* start = chunk->memory.get();
            if (std::less<>{}(address, start) || !std::less<>{}(address, start + pitch_ * chunk->used))
                continue;
            const auto offset = static_cast<std::size_t>(address - start);
            const std::size_t index = over_pitch(offset);
            if (index * pitch_ != offset)
                return std::nullopt;
            return chunk->first + index;
        }
        return std::nullopt;
    }
    [[nodiscard]] std::size_t count() const {
        return chunks_.empty() ? 0 : chunks_.back().first + chunks_.back().used;
    }
    [[nodiscard]] std::size_t pitch() const { return pitch_; }

  private:
    struct Free {
        void operator()(std::byte* memory) const { ::operator delete(memory, std::align_val_t{line}); }
    };
    struct Chunk {
        std::unique_ptr<std::byte, Free> memory;
        std::size_t first, size, used;
    };
    // offset / pitch_ without a division: exact for every offset below 2^64 / pitch_.
    [[nodiscard]] std::size_t over_pitch(std::size_t offset) const {
        __extension__ using Wide = unsigned __int128;
        return static_cast<std::size_t>(Wide{offset} * inverse_ >> 64);
    }
    void grow() {
        const std::size_t bytes = pitch_ * next_chunk_;
        std::unique_ptr<std::byte, Free> memory{
            static_cast<std::byte*>(::operator new(bytes, std::align_val_t{line}))};
        chunks_.push_back({std::move(memory), count(), next_chunk_, 0});
        next_chunk_ *= 2;
    }

    std::size_t pitch_;
    std::uint64_t inverse_; // 2^64 / pitch_, rounded up
    std::size_t next_chunk_;
    std::vector<Chunk> chunks_;
};

} // namespace bulkhead::sim
