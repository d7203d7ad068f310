#include "hv/trace/landmark.hpp"

#include "hv/arch/pcpu.hpp"
#include "hv/base/locks.hpp"
#include "hv/base/machine.hpp"
#include "hv/dispatch/guest_time.hpp"
#include "hv/domain/domain.hpp"
#include "hv/io/console.hpp"
#include "hv/mm/frame.hpp"
#include "hv/trace/ledger.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace bulkhead::hv {

namespace {

landmark::LedgerEntry* entries = nullptr;
using landmark::Account;

} // namespace

landmark::Page& landmark_page() {
    return *machine::frame_as<landmark::Page>(Mfn{landmark::physical_address >> page_shift});
}

void start_landmark() {
    auto& page = landmark_page();
    std::memset(&page, 0, sizeof page);
    page.version = landmark::version;
    page.magic = landmark::magic;
}

void start_landmark_tables(landmark::LedgerEntry* table, std::uint32_t capacity) {
    entries = table;
    landmark_page().ledger_physical = machine::frame_of(table).value() << page_shift;
    landmark_page().ledger_capacity = capacity;
}

Result<landmark::LedgerEntry*> open_ledger_entry(Domain& domain) {
    auto& page = landmark_page();
    landmark::LedgerEntry* entry = nullptr;
    if (page.ledger_used < page.ledger_capacity) {
        entry = &entries[page.ledger_used++];
    } else {
        entry = std::find_if(entries, entries + page.ledger_capacity,
                             [](const auto& e) { return e.state == Account::gone; });
        if (entry == entries + page.ledger_capacity)
            return fail(Error::no_space);
    }
    *entry = {};
    entry->domain = domain.id.value();
    entry->state = Account::alive;
    entry->weight = domain.sched.weight;
    entry->shutdown_reason = static_cast<std::uint32_t>(landmark::Shutdown::none);
    std::memcpy(entry->name, domain.name, sizeof entry->name);
    return entry;
}

void close_ledger_entry(Domain& domain) {
    if (std::exchange(domain.ledger_closed, true))
        return; // the entry may be another domain's by now
    refresh_ledger_entry(domain);
    domain.ledger->state = Account::gone;
}

void refresh_ledger_entry(Domain& domain) {
    const LockGuard run{run_lock()};
    auto& entry = *domain.ledger;
    if (entry.state != Account::alive)
        return; // its last numbers stay
    Nanos waiting{}, blocked{};
    for (std::uint32_t i = 0; i < domain.vcpu_count; ++i)
        if (const Vcpu* vcpu = domain.vcpus[i]) {
            waiting += runstate_total(*vcpu, RUNSTATE_runnable);
            blocked += runstate_total(*vcpu, RUNSTATE_blocked);
        }
    entry.waiting_ns = waiting.count();
    entry.blocked_ns = blocked.count();
    entry.weight = domain.sched.weight;
    entry.frames_owned = static_cast<std::uint32_t>(domain.memory.frames.count);
    entry.frames_peak = static_cast<std::uint32_t>(domain.memory.frames_peak);
    entry.console_bytes = domain.console->printed;
    entry.copied_bytes = domain.grants.copied;
    entry.refreshed = machine::now().since_start().count();
    entry.shutdown_reason = domain.life == control::Life::shut_down || domain.life == control::Life::dying
                                ? domain.shutdown_reason
                                : 0xff;
}

void refresh_landmark() {
    post_ledger();
    auto& page = landmark_page();
    for (std::uint32_t i = 0; i < pcpu_count(); ++i)
        if (const auto& longest = pcpu(PcpuId{static_cast<std::uint16_t>(i)}).longest;
            longest.ns > page.r_max.ns)
            page.r_max = longest;
    page.now = machine::now().since_start().count();
    page.free_frames = frame_table().free_frames();
}

} // namespace bulkhead::hv
