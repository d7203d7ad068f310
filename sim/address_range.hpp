// Addresses of this process that are reserved at once and get memory from the system when they are first
// touched: where a simulated machine keeps the objects of its policies.
#pragma once

#include <cstdint>
#include <new>
#include <sys/mman.h>

namespace bulkhead::sim {

class AddressRange {
  public:
    // Throws std::bad_alloc.
    explicit AddressRange(std::uint64_t bytes)
        : start_{::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                        -1, 0)},
          bytes_{bytes} {
        if (start_ == MAP_FAILED)
            throw std::bad_alloc{};
    }
    ~AddressRange() { ::munmap(start_, bytes_); }
    AddressRange(const AddressRange&) = delete;
    AddressRange& operator=(const AddressRange&) = delete;
    [[nodiscard]] std::uint64_t start() const { return reinterpret_cast<std::uint64_t>(start_); }

  private:
    void* start_;
    std::uint64_t bytes_;
};

} // namespace bulkhead::sim
