// The borrower attack: maps the page that its peer lends, and that of each later life of its peer, and never
// lets go. What it keeps is gone for the machine; what it must not do is keep its peer from starting again.
#include "guest/runtime/mark.hpp"
#include "guest/runtime/print.hpp"
#include "guest/runtime/start.hpp"
#include "guest/runtime/xenstore.hpp"
#include "workloads/link.hpp"
#include "workloads/workload.hpp"

#include <optional>

namespace bulkhead::workload {
namespace {

constexpr Option peer{"peer", "text", "-", "name of the domain whose pages it keeps"};
constexpr Option options_[] = {peer};

void run() {
    std::optional<DomainId> last;
    std::uint64_t kept = 0;
    while (!over()) {
        const auto found = guest::xenstore::find_domain(peer.text());
        if (found && found != last) {
            static_cast<void>(accept_link(*found));
            last = *found;
            guest::mark(guest::Mark::operations, ++kept);
        }
        guest::sleep(bulkhead::milliseconds(1));
    }
    guest::print("RESULT name=borrower kept={} ns={}\n", kept, guest::now() - began());
}

constexpr Workload borrower{Kind::attack, "borrower", "maps what its peer lends and never lets go", options_,
                            run};
BULKHEAD_WORKLOAD(borrower)

} // namespace
} // namespace bulkhead::workload
