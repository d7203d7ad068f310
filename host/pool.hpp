// Memory for a policy's own objects: types whose size only the plug-in knows, and the arena it allocates
// from. Both lie in ranges of addresses that the world reserves, and are backed page by page as they fill, so
// that objects never move. An address that a policy answers with is compared, never followed.
#pragma once

#include "abi/types.hpp"
#include "host/fence.hpp"
#include "plugin/policy.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace bulkhead::host {

// The addresses of one pool or arena; at most so many bytes are backed.
inline constexpr std::uint64_t region_bytes = std::uint64_t{1} << 30;

// A range that is backed from its start on. `World::back_page(address)` gives memory to one page, or answers
// false if it has none.
class Region {
  public:
#ifdef BULKHEAD_FENCED
    constexpr Region() = default;
    Region(const Region&) = delete;
    Region& operator=(const Region&) = delete;
    ~Region() { allow(base_, backed_); } // the addresses may be another's next
#endif
    void start(std::uint64_t base) { // what was backed there before still is
        base_ = base;
        forbid(base_, backed_);
    }
    // Whether all `bytes` from the start have memory.
    template<class World>
    [[nodiscard]] bool back(World& world, std::uint64_t bytes) {
        if (bytes > region_bytes)
            return false;
        for (; backed_ < bytes; backed_ += page_bytes) {
            if (!world.back_page(base_ + backed_))
                return false;
            forbid(base_ + backed_, page_bytes);
        }
        return true;
    }
    [[nodiscard]] std::uint64_t base() const { return base_; }
    [[nodiscard]] std::uint64_t backed() const { return backed_; }

  private:
    std::uint64_t base_ = 0, backed_ = 0;
};

// Objects of one type, found by number.
class Pool {
  public:
    // `packed` keeps them at their exact size, like an array, in which index_of finds nothing; others are
    // aligned to 16 bytes.
    void start(std::uint64_t base, std::uint32_t bytes, bool packed = false) {
        region_.start(base);
        bytes_ = bytes;
        pitch_ = packed ? bytes : std::max((bytes + 15) / 16 * 16, std::uint32_t{16}) + fence_bytes;
        inverse_ = packed ? 0 : UINT64_MAX / pitch_ + 1;
    }
    // Memory for the first `count` objects, so that `create` cannot fail for them. False if it is short.
    template<class World>
    [[nodiscard]] bool reserve(World& world, std::uint32_t count) {
        return region_.back(world, std::uint64_t{count} * pitch_);
    }
    // Zeroed memory for object `index`; nullptr if there is none.
    template<class World>
    [[nodiscard]] void* create(World& world, std::uint32_t index) {
        const auto end = (std::uint64_t{index} + 1) * pitch_;
        if (!region_.back(world, end))
            return nullptr;
        allow(region_.base() + end - pitch_, bytes_);
        return std::memset(reinterpret_cast<void*>(region_.base() + end - pitch_), 0, bytes_);
    }
    // Where object `index` is, if it was created.
    [[nodiscard]] void* at(std::uint32_t index) const {
        return reinterpret_cast<void*>(region_.base() + std::uint64_t{index} * pitch_);
    }
    // The number of the object at that address, or no_object if none could be there.
    static constexpr std::uint32_t no_object = UINT32_MAX;
    [[nodiscard]] std::uint32_t index_of(const void* object) const {
        const auto offset = reinterpret_cast<std::uint64_t>(object) - region_.base();
        if (offset >= region_.backed()) [[unlikely]]
            return no_object;
        const auto index = over_pitch(offset);
        return index * pitch_ == offset ? static_cast<std::uint32_t>(index) : no_object;
    }
    [[nodiscard]] std::uint32_t bytes() const { return bytes_; }

  private:
    // offset / pitch_ without a division: exact for every offset below 2^64 / pitch_.
    [[nodiscard]] std::uint64_t over_pitch(std::uint64_t offset) const {
        __extension__ using Wide = unsigned __int128;
        return static_cast<std::uint64_t>(Wide{offset} * inverse_ >> 64);
    }

    Region region_;
    std::uint64_t inverse_ = 0; // 2^64 / pitch_, rounded up
    std::uint32_t bytes_ = 0, pitch_ = 0;
};

// The bounded memory behind plugin::Host::allocate, given out from the start and never taken back.
class Arena {
  public:
    void start(std::uint64_t base) {
        region_.start(base);
        used_ = fences_ = 0;
    }
    // Zeroed; nullptr if the alignment is not a power of two up to a page, or the arena or the machine's
    // memory is used up.
    template<class World>
    [[nodiscard]] void* allocate(World& world, std::size_t bytes, std::size_t alignment) {
        if (alignment == 0 || (alignment & (alignment - 1)) != 0 || alignment > page_bytes ||
            bytes > plugin::arena_bytes)
            return nullptr;
        const auto at = (used_ + alignment - 1) & ~(alignment - 1);
        if (at + bytes - fences_ > plugin::arena_bytes || !region_.back(world, at + bytes))
            return nullptr;
        used_ = at + bytes + fence_bytes;
        fences_ += fence_bytes;
        allow(region_.base() + at, bytes);
        return std::memset(reinterpret_cast<void*>(region_.base() + at), 0, bytes);
    }

  private:
    Region region_;
    std::uint64_t used_ = 0, fences_ = 0; // bytes; the second are of the first, and not the policy's
};

} // namespace bulkhead::host
