// A guest that pages, in a model: pages of its own at window addresses, each with a frame or without. What is
// read of a page that is out is a wait; nothing is written anywhere. The simulator's model of the same name
// does the same.
#pragma once

#include "guest/runtime/memory.hpp"
#include "workloads/guest_pages.hpp"
#include "workloads/workload.hpp"

#include <optional>

namespace bulkhead::workload {

inline constexpr Option swap_us{"swap_us", "us", "4000", "time to read a page that was paged out"};
inline constexpr Option set_mib{"set_mib", "MiB", "0", "what it uses; 0: all its memory"};
inline constexpr Option stubborn{"stubborn", "1", "0", "1: gives nothing back when it is asked to"};

class PagedMemory {
  public:
    // As many pages as `set_mib` says; for 0 all that the guest may have beside what it starts with.
    PagedMemory();

    [[nodiscard]] std::size_t size() const { return size_; }
    // Writes to a page, which has a frame afterwards. If it was out, waits until it is read.
    void touch(std::size_t page);
    // The page has a frame afterwards, if there is one for this guest. Never waits.
    void bring_in(std::size_t page);
    // Gives back a few of the frames that are above the target. False if none are.
    bool follow_target();
    // Gives so many frames back, or all if it has fewer.
    void release(std::size_t frames);
    // The page's frame; nothing if it is out.
    [[nodiscard]] std::optional<Mfn> frame(std::size_t page) const;
    // Gives the frame of this page back, which it has.
    void drop(std::size_t page);

  private:
    // Gives the page a frame: a new one, or that of another page, which goes out. False if it has no page.
    bool supply(std::size_t page);
    [[nodiscard]] Mfn page_out();
    [[nodiscard]] Mfn mapped(std::size_t page) const; // of a page whose frame is still mapped
    [[nodiscard]] Mfn unmap(std::size_t page);
    [[nodiscard]] std::uint64_t address(std::size_t page) const;

    std::size_t size_;
    Nanos to_read_; // a page that is out
    GuestPages pages_;
    guest::Page* window_;
};

} // namespace bulkhead::workload
