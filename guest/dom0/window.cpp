// See window.hpp.
#include "guest/dom0/window.hpp"

#include "guest/runtime/hypercall.hpp"
#include "guest/runtime/print.hpp"

namespace bulkhead::dom0 {

using guest::Status;
namespace hypercall = guest::hypercall;
namespace pte = guest::pte;

Window::Window() : pages_{guest::reserve_window(capacity)} {
    for (std::size_t i = 0; i < capacity; ++i) {
        const auto slot = guest::find_slot(hypercall::address(pages_ + i));
        if (!slot)
            guest::panic("the window has no page tables");
        entries_[i] = slot->machine_address() | MMU_NORMAL_PT_UPDATE;
    }
}

Window::~Window() {
    if (!clear())
        guest::panic("cannot clear the window");
    guest::release_window(pages_, capacity);
}

Status Window::show(std::span<const Mfn> frames, DomainId owner) {
    if (const auto done = clear(); !done)
        return done;
    std::array<::mmu_update, capacity> updates{};
    for (std::size_t i = 0; i < frames.size(); ++i)
        updates[i] = {.ptr = entries_[i], .val = pte::make(frames[i], pte::read_write)};
    shown_ = frames.size();
    if (const auto done = hypercall::mmu_update({updates.data(), frames.size()}, owner); !done)
        return std::unexpected{done.error()};
    return {};
}

Status Window::clear() {
    if (shown_ == 0)
        return {};
    std::array<::mmu_update, capacity> updates{};
    for (std::size_t i = 0; i < shown_; ++i)
        updates[i] = {.ptr = entries_[i], .val = 0};
    if (const auto done = hypercall::mmu_update({updates.data(), shown_}); !done)
        return std::unexpected{done.error()};
    shown_ = 0;
    return hypercall::mmuext(MMUEXT_TLB_FLUSH_LOCAL);
}

} // namespace bulkhead::dom0
