// See desk.hpp.
#include "guest/dom0/desk.hpp"

#include "guest/dom0/control.hpp"
#include "guest/runtime/memory.hpp"
#include "image/addresses.hpp"

namespace bulkhead::dom0 {

void Desk::open() {
    constexpr auto entry_pages = image::pages_for(steering::max_orders * sizeof(manifest::TimelineEntry));
    page_ = reinterpret_cast<steering::Page*>(guest::allocate_pages(steering::pages));
    entries_ = reinterpret_cast<manifest::TimelineEntry*>(guest::allocate_pages(entry_pages));
}

guest::Result<std::span<const manifest::TimelineEntry>> Desk::stand_still(Nanos elapsed) {
    if (page_ == nullptr)
        open();
    page_->head.at = elapsed.count();
    const auto count = dom0::stand_still(*page_);
    if (!count)
        return std::unexpected{count.error()};
    page_->head.played = 0;
    for (std::size_t i = 0; i < *count; ++i) {
        entries_[i] = page_->orders[i].entry;
        page_->orders[i].done_at = -1;
    }
    return std::span<const manifest::TimelineEntry>{entries_, *count};
}

void Desk::note(std::size_t index, Nanos elapsed, guest::Status result) {
    if (page_ == nullptr)
        return;
    auto& order = page_->orders[index];
    order.done_at = elapsed.count();
    order.result = result ? 0 : -static_cast<std::int64_t>(result.error());
    page_->head.played = static_cast<std::uint32_t>(index + 1);
}

const std::int64_t* Desk::parameters(std::size_t index) const {
    return page_ != nullptr ? page_->orders[index].parameters : nullptr;
}

} // namespace bulkhead::dom0
