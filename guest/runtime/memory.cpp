// Frame numbers both ways, and the page allocator: one bit per frame, first fit from a moving hint.
#include "guest/runtime/memory.hpp"

#include "guest/runtime/internal.hpp"
#include "guest/runtime/print.hpp"

namespace bulkhead::guest {
namespace {

using internal::state;

// bits[pfn] = 1: in use. Lives in the first free frames.
struct Bitmap {
    std::uint64_t* words = nullptr;
    std::uint64_t frames = 0;
    std::uint64_t free = 0;
    std::uint64_t hint = 0;

    [[nodiscard]] bool used(std::uint64_t pfn) const { return (words[pfn / 64] >> (pfn % 64) & 1) != 0; }
    void take(std::uint64_t pfn) {
        words[pfn / 64] |= 1ull << (pfn % 64);
        --free;
    }
    void give(std::uint64_t pfn) {
        words[pfn / 64] &= ~(1ull << (pfn % 64));
        ++free;
    }
    // First of `count` free frames at or after `from`.
    [[nodiscard]] std::optional<std::uint64_t> find(std::uint64_t from, std::uint64_t count) const {
        std::uint64_t run = 0;
        for (std::uint64_t pfn = from; pfn < frames; ++pfn) {
            run = used(pfn) ? 0 : run + 1;
            if (run == count)
                return pfn + 1 - count;
        }
        return std::nullopt;
    }
};
constinit Bitmap bitmap{};

} // namespace

std::uint64_t page_count() { return state.start->nr_pages; }

Mfn machine_frame(Pfn pfn) {
    if (pfn.value() >= page_count())
        return Mfn{~0ull};
    const xen_pfn_t frame = state.frame_list[pfn.value()];
    if constexpr (is_narrow)
        if (frame == ~xen_pfn_t{0})
            return Mfn{~0ull};
    return Mfn{frame};
}

void set_machine_frame(Pfn pfn, Mfn mfn) {
    if (pfn.value() < page_count())
        state.frame_list[pfn.value()] = static_cast<xen_pfn_t>(mfn.value());
}

std::optional<Pfn> own_frame(Mfn mfn) {
    if (mfn.value() >= MACH2PHYS_NR_ENTRIES)
        return std::nullopt;
    const auto pfn = traps::read_guarded(HYPERVISOR_VIRT_START + mfn.value() * sizeof(Word));
    if (!pfn || *pfn >= page_count() || machine_frame(Pfn{*pfn}) != mfn)
        return std::nullopt;
    return Pfn{*pfn};
}

Page* direct(Pfn pfn) { return at_address<Page>(direct_map_base + (pfn.value() << page_shift)); }

Pfn pfn_of(const void* address) {
    const auto where = reinterpret_cast<std::uintptr_t>(address);
    return Pfn{(where - (where >= kernel_base ? kernel_base : direct_map_base)) >> page_shift};
}

Page* allocate_pages(std::size_t count) {
    auto first = bitmap.find(bitmap.hint, count);
    if (!first)
        first = bitmap.find(0, count);
    if (!first)
        panic("out of memory: {} pages wanted, {} free", count, bitmap.free);
    for (std::uint64_t pfn = *first; pfn < *first + count; ++pfn)
        bitmap.take(pfn);
    bitmap.hint = *first + count;
    Page* const pages = direct(Pfn{*first});
    __builtin_memset(pages, 0, count * sizeof(Page));
    return pages;
}

void free_pages(Page* first, std::size_t count) {
    const std::uint64_t pfn = pfn_of(first).value();
    for (std::uint64_t i = 0; i < count; ++i) {
        if (!bitmap.used(pfn + i))
            panic("page {} freed twice", pfn + i);
        bitmap.give(pfn + i);
    }
    if (pfn < bitmap.hint)
        bitmap.hint = pfn;
}

std::size_t free_page_count() { return bitmap.free; }

namespace internal {

void mark_frame_used(Pfn pfn) {
    if (pfn.value() < bitmap.frames && !bitmap.used(pfn.value()))
        bitmap.take(pfn.value());
}

void start_allocator() {
    const std::uint64_t first = first_free_frame().value();
    bitmap.frames = page_count();
    const std::uint64_t words = (bitmap.frames + 63) / 64;
    const std::uint64_t pages = (words * sizeof(std::uint64_t) + page_bytes - 1) / page_bytes;
    if (first + pages > bitmap.frames)
        panic("no memory for the page allocator");
    bitmap.words = reinterpret_cast<std::uint64_t*>(direct(Pfn{first}));
    __builtin_memset(bitmap.words, 0, pages * page_bytes);
    bitmap.free = bitmap.frames;
    bitmap.hint = first;
    for (std::uint64_t pfn = 0; pfn < first + pages; ++pfn)
        bitmap.take(pfn);
    if ((state.start->flags & SIF_INITDOMAIN) != 0)
        return;
    for (const std::uint64_t ring :
         {std::uint64_t{state.start->console.domU.mfn}, std::uint64_t{state.start->store_mfn}})
        if (const auto pfn = own_frame(Mfn{ring}))
            mark_frame_used(*pfn);
}

} // namespace internal
} // namespace bulkhead::guest
