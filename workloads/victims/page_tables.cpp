// A victim that works its page tables: it maps and unmaps one page, each change validated by the hypervisor.
// What it loses to others is CPU time, and waits for what memory calls share. Beside others it is an
// attacker.
#include "guest/runtime/mark.hpp"
#include "guest/runtime/paging.hpp"
#include "guest/runtime/print.hpp"
#include "workloads/workload.hpp"

namespace bulkhead::workload {
namespace {

constexpr Option mark_changes{"mark_changes", "1", "100", "changes of an entry between two marks"};
constexpr Option options_[] = {mark_changes};

void run() {
    const std::uint64_t step = mark_changes.number();
    auto* page = guest::allocate_pages();
    auto* window = guest::reserve_window(1);
    const auto address = guest::hypercall::address(window);
    const auto mapped = guest::pte::make(guest::mfn_of(page), guest::pte::read_write);
    std::uint64_t done = 0, refused = 0;
    while (!over()) {
        for (std::uint64_t i = 0; i < step; ++i, ++done)
            refused += !guest::hypercall::update_va_mapping(address, done % 2 == 0 ? mapped : 0, UVMF_INVLPG);
        guest::mark(guest::Mark::operations, done);
    }
    guest::mark(guest::Mark::finished, done);
    guest::print("RESULT name=page_tables changes={} refused={} ns={}\n", done, refused,
                 guest::now() - began());
}

constexpr Workload page_tables{Kind::victim, "page_tables", "maps and unmaps a page in a tight loop",
                               options_, run};
BULKHEAD_WORKLOAD(page_tables)

} // namespace
} // namespace bulkhead::workload
