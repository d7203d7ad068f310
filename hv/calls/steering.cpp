#include "hv/calls/steering.hpp"

#include "hv/arch/power.hpp"
#include "hv/base/locks.hpp"
#include "hv/base/machine.hpp"
#include "hv/dispatch/standstill.hpp"
#include "hv/domain/domain.hpp"
#include "hv/trace/landmark.hpp"

#include <atomic>
#include <cstddef>

namespace bulkhead::hv {

namespace {

using steering::Head;
using steering::Order;
using steering::Page;

Page& shared() { return *machine::frame_as<Page>(Mfn{steering::physical_address >> page_shift}); }

// What a reader outside sees while the machine stands still is of this very instant, for as many domains as
// the section's budget allows.
void refresh_all() {
    refresh_landmark();
    for (Domain* domain = next_domain(0); domain != nullptr && !machine::should_preempt();
         domain = next_domain(domain->sched.slot + 1))
        refresh_ledger_entry(*domain);
}

Result<> hand_out(std::uint64_t from) {
    auto& page = shared();
    const auto head = GuestPtr<Head>{from}.read();
    if (!head)
        return fail(head.error());
    if (head->played > steering::max_orders)
        return fail(Error::invalid);
    if (!machine::copy_from_guest(page.orders, GuestAddress{from + offsetof(Page, orders)},
                                  head->played * sizeof(Order)))
        return fail(Error::bad_address);
    page.head.at = head->at;
    page.head.played = head->played;
    page.head.count = 0;
    return {};
}

HypercallResult take_in(std::uint64_t to) {
    auto& page = shared();
    const auto count = std::atomic_ref{page.head.count}.load(std::memory_order_acquire);
    if (count > steering::max_orders)
        return fail(Error::invalid);
    const auto bytes = offsetof(Page, orders) + count * sizeof(Order);
    if (!machine::copy_to_guest(GuestAddress{to}, &page, bytes))
        return fail(Error::bad_address);
    return static_cast<std::int64_t>(count);
}

} // namespace

void start_steering() { shared().head = {}; }

HypercallResult stand_still(std::uint64_t page) {
    BULKHEAD_TRY(hand_out(page));
    stop_others(); // or they would go on between the announcement and the standstill
    {
        const LockGuard alone{control_lock()};
        refresh_all();
    }
    auto& stops = shared().head.stops;
    const auto number = stops + 1;
    std::atomic_ref{stops}.store(number, std::memory_order_release);
    ring_doorbell(static_cast<std::uint16_t>(steering::doorbell + number % 2));
    let_others_go();
    return take_in(page);
}

} // namespace bulkhead::hv
