// Objects of a policy's own types (per vCPU, domain, pCPU) in a reserved range of addresses, mapped as it
// fills. Given any number that a policy may answer with, index_of says whether it is one of these objects.
#pragma once

#include "abi/types.hpp"
#include "hv/arch/address_space.hpp"
#include "hv/base/machine.hpp"
#include "hv/mm/frame.hpp"

#include <bit>
#include <cstring>
#include <optional>

namespace bulkhead::hv {

class ObjectRegion {
  public:
    // `capacity` objects of `bytes` each from address `base` on; `packed` keeps them at their exact size,
    // like an array.
    void start(std::uint64_t base, std::uint32_t bytes, std::uint32_t capacity, bool packed) {
        base_ = base;
        bytes_ = bytes;
        stride_ = packed ? bytes : std::bit_ceil(bytes);
        capacity_ = capacity;
    }
    // Zeroed memory of object `index`; nullptr if there is no memory for it.
    [[nodiscard]] void* create(std::uint32_t index) {
        if (index >= capacity_)
            return nullptr;
        const auto at = base_ + std::uint64_t{index} * stride_;
        while (base_ + mapped_ < at + stride_)
            if (!grow())
                return nullptr;
        return std::memset(reinterpret_cast<void*>(at), 0, bytes_);
    }
    [[nodiscard]] std::optional<std::uint32_t> index_of(const void* object) const {
        const auto offset = reinterpret_cast<std::uint64_t>(object) - base_;
        if (stride_ == 0 || offset >= mapped_ || offset % stride_ != 0)
            return std::nullopt;
        return static_cast<std::uint32_t>(offset / stride_);
    }

  private:
    [[nodiscard]] bool grow() {
        if (!reserve_hypervisor(base_ + mapped_, page_bytes))
            return false;
        const auto frame = frame_table().allocate_for_hypervisor();
        if (!frame)
            return false;
        map_hypervisor(base_ + mapped_, frame->value() << page_shift, page_bytes, Access::read_write);
        mapped_ += page_bytes;
        return true;
    }

    std::uint64_t base_ = 0;
    std::uint64_t mapped_ = 0; // bytes; kept over restarts of the region
    std::uint32_t bytes_ = 0, stride_ = 0, capacity_ = 0;
};

} // namespace bulkhead::hv
