#include "workloads/paging.hpp"

#include "guest/runtime/balloon.hpp"
#include "guest/runtime/mark.hpp"
#include "guest/runtime/paging.hpp"
#include "guest/runtime/print.hpp"

#include <algorithm>
#include <new>

namespace bulkhead::workload {
namespace {

namespace balloon = guest::balloon;

constexpr std::size_t mib_pages = (1 << 20) / page_bytes;
constexpr std::size_t most_at_once = 64; // frames that are given back in a row

std::size_t wanted_pages() {
    const std::size_t most = balloon::most_frames();
    const std::size_t beside = most - std::min<std::size_t>(guest::page_count(), most);
    const std::size_t wanted = set_mib.number() * mib_pages;
    if (wanted > beside || beside == 0)
        guest::panic("set_mib={}: beside its first {} pages the guest may have {}; give it more maxmem",
                     set_mib.number(), guest::page_count(), beside);
    return wanted == 0 ? beside : wanted;
}

template<class T>
std::span<T> array_of(std::size_t count) {
    T* const first =
        reinterpret_cast<T*>(guest::allocate_pages((count * sizeof(T) + page_bytes - 1) / page_bytes));
    for (std::size_t i = 0; i < count; ++i)
        new (first + i) T{};
    return {first, count};
}

void map(std::uint64_t address, std::uint64_t entry) {
    if (const auto done = guest::hypercall::update_va_mapping(address, entry, UVMF_INVLPG); !done)
        guest::panic("a page cannot be mapped: {}", done.error());
}

} // namespace

PagedMemory::PagedMemory()
    : size_{wanted_pages()}, to_read_{swap_us.microseconds()},
      pages_{array_of<GuestPages::Page>(size_), array_of<std::uint32_t>(size_)},
      window_{guest::reserve_window(size_)} {}

std::uint64_t PagedMemory::address(std::size_t page) const {
    return reinterpret_cast<std::uintptr_t>(window_ + page);
}

// The frame of the page that goes out.
Mfn PagedMemory::page_out() { return unmap(pages_.evict()); }

Mfn PagedMemory::mapped(std::size_t page) const {
    return guest::pte::frame(guest::find_slot(address(page))->entry);
}

std::optional<Mfn> PagedMemory::frame(std::size_t page) const {
    return pages_.is_present(page) ? std::optional{mapped(page)} : std::nullopt;
}

Mfn PagedMemory::unmap(std::size_t page) {
    const Mfn had = mapped(page);
    map(address(page), 0);
    return had;
}

bool PagedMemory::supply(std::size_t page) {
    auto frame = balloon::take();
    if (!frame && pages_.present() > 0)
        frame = page_out();
    if (!frame)
        return false;
    map(address(page), guest::pte::make(*frame, guest::pte::read_write));
    pages_.bring_in(page);
    return true;
}

void PagedMemory::touch(std::size_t page) {
    while (!pages_.use(page)) {
        const bool read = pages_.is_out(page), supplied = supply(page);
        const Nanos wait = read || !supplied ? to_read_ : Nanos{};
        guest::mark(guest::Mark::page_fault, static_cast<std::uint64_t>(wait.count()));
        if (wait > Nanos{})
            guest::sleep(wait);
    }
    window_[page].bytes[0] = std::byte{1};
}

void PagedMemory::bring_in(std::size_t page) {
    if (pages_.use(page) || !supply(page))
        return;
    guest::mark(guest::Mark::page_fault, 0);
}

bool PagedMemory::follow_target() {
    const std::uint64_t has = balloon::frames(), target = balloon::target();
    const std::size_t excess = has - std::min(has, target);
    if (excess == 0 || pages_.present() == 0)
        return false;
    release(std::min(excess, most_at_once));
    return true;
}

void PagedMemory::release(std::size_t frames) {
    for (std::size_t i = std::min(frames, pages_.present()); i > 0; --i)
        balloon::give_back(page_out());
}

void PagedMemory::drop(std::size_t page) {
    const Mfn had = unmap(page);
    pages_.drop(page);
    balloon::give_back(had);
}

} // namespace bulkhead::workload
