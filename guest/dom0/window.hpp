// A window of domain 0's addresses through which it sees frames of another domain, a batch at a time. Frames
// must be out of the window before they can become page tables.
#pragma once

#include "guest/runtime/paging.hpp"

#include <array>

namespace bulkhead::dom0 {

class Window {
  public:
    static constexpr std::size_t capacity = 64;

    Window();
    ~Window();
    Window(const Window&) = delete;
    Window& operator=(const Window&) = delete;

    // Shows these frames, at most `capacity`, in order from page 0 on, in place of what was there.
    [[nodiscard]] guest::Status show(std::span<const Mfn> frames, DomainId owner);
    // After this no frame is mapped.
    [[nodiscard]] guest::Status clear();
    [[nodiscard]] std::span<std::byte, page_bytes> page(std::size_t index) const {
        return pages_[index].bytes;
    }

  private:
    guest::Page* pages_;
    std::array<std::uint64_t, capacity> entries_{}; // machine addresses of the page-table entries
    std::size_t shown_ = 0;
};

} // namespace bulkhead::dom0
