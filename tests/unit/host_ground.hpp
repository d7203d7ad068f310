// The ground of tests/unit/host_world.hpp in a test program: addresses that can be touched only once a page
// of them was asked for, and a host that gives up throws.
#pragma once

#include "tests/unit/host_world.hpp"

#include <new>
#include <stdexcept>
#include <sys/mman.h>

namespace bulkhead::host_test {

struct GaveUp : std::runtime_error {
    using std::runtime_error::runtime_error;
};

class TestGround : public Ground {
  public:
    TestGround()
        : memory_{::mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)} {
        if (memory_ == MAP_FAILED)
            throw std::bad_alloc{};
        regions = reinterpret_cast<std::uint64_t>(memory_);
        back_page = [](std::uint64_t address) {
            return ::mprotect(reinterpret_cast<void*>(address), page_bytes, PROT_READ | PROT_WRITE) == 0;
        };
        Ground::give_up = [](const char* said) { throw GaveUp{said}; };
    }
    ~TestGround() { ::munmap(memory_, bytes); }
    TestGround(const TestGround&) = delete;
    TestGround& operator=(const TestGround&) = delete;

    void refuse_pages(std::uint32_t every) {
        refuse_every = every;
        pages_asked = 0;
    }
    template<class Hook>
    void fail_in(Hook hook) {
        faulty_hook = static_cast<std::uint32_t>(hook);
    }

  private:
    static constexpr std::uint64_t bytes = most_regions * host::region_bytes;
    void* memory_;
};

} // namespace bulkhead::host_test
