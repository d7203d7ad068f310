// Mapping: page-table entries, a window of virtual addresses for frames that are not in the direct map, and
// walks of the tables. All changes go through the hypervisor (direct paging); table pages are only ever read
// here.
#pragma once

#include "guest/runtime/hypercall.hpp"
#include "guest/runtime/memory.hpp"

namespace bulkhead::guest {

namespace pte {
inline constexpr std::uint64_t present = 1, writable = 2, user = 4, accessed = 0x20, dirty = 0x40,
                               huge = 0x80, no_execute = 1ull << 63;
inline constexpr std::uint64_t frame_mask = 0x000ffffffffff000;
inline constexpr std::uint64_t table = present | writable | user | accessed | dirty;
// A 64-bit PV kernel runs in ring 3, so its own pages carry the user bit as well; that of 32 bits in ring 1.
inline constexpr std::uint64_t kernel = is_narrow ? 0 : user;
inline constexpr std::uint64_t read_write = present | writable | kernel | accessed | dirty;
inline constexpr std::uint64_t read_only = present | kernel | accessed;
// A root of three levels has no rights in its entries.
inline constexpr std::uint64_t in_root = is_narrow ? present : table;
[[nodiscard]] constexpr std::uint64_t make(Mfn frame, std::uint64_t flags) {
    return (frame.value() << page_shift) | flags;
}
[[nodiscard]] constexpr Mfn frame(std::uint64_t entry) { return Mfn{(entry & frame_mask) >> page_shift}; }
} // namespace pte

enum class Level : unsigned { l1 = 1, l2 = 2, l3 = 3, l4 = 4 };

struct Slot { // one entry of one table
    Mfn table;
    unsigned index;
    std::uint64_t entry; // its value now
    [[nodiscard]] std::uint64_t machine_address() const {
        return (table.value() << page_shift) | (index * sizeof(std::uint64_t));
    }
};
// The entry that maps `address` at `level` in the kernel's tables; nothing if an upper level is absent.
[[nodiscard]] std::optional<Slot> find_slot(std::uint64_t address, Level level = Level::l1);
[[nodiscard]] Mfn kernel_root(); // the frame of the kernel's L4, or its L3 in 32 bits
[[nodiscard]] Result<void> write_slot(const Slot& slot, std::uint64_t entry);

// `count` pages of window addresses with page tables in place and nothing mapped. Never gives the same
// address twice unless it was released.
[[nodiscard]] Page* reserve_window(std::size_t count);
void release_window(Page* first, std::size_t count);

// Maps frames of `owner` (DOMID_SELF, DOMID_IO, or another domain if this guest has the right) at window
// addresses.
[[nodiscard]] Result<Page*> map_frames(std::span<const Mfn> frames, DomainId owner = DomainId{DOMID_SELF},
                                       std::uint64_t flags = pte::read_write);
[[nodiscard]] Result<Page*> map_frame(Mfn frame, DomainId owner = DomainId{DOMID_SELF},
                                      std::uint64_t flags = pte::read_write);
void unmap_frames(Page* first, std::size_t count = 1); // and releases the window

// Changes what the direct map lets this guest do with its own page, e.g. read_only before it becomes a page
// table.
[[nodiscard]] Status protect(const Page* page, std::uint64_t flags);

} // namespace bulkhead::guest
