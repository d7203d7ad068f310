// The borrower's victim: lends its peer a page, does nothing with it, and ends as its options say. What it
// loses is the time until it runs again.
#include "guest/runtime/print.hpp"
#include "workloads/link.hpp"
#include "workloads/workload.hpp"

namespace bulkhead::workload {
namespace {

constexpr Option peer{"peer", "text", "-", "name of the domain that it lends a page to"};
constexpr Option options_[] = {peer};

void run() {
    static_cast<void>(offer_link(await_peer(peer.text())));
    guest::sleep_until(ends());
    guest::print("RESULT name=lender ns={}\n", guest::now() - began());
}

constexpr Workload lender{Kind::victim, "lender", "lends its peer a page until it ends", options_, run};
BULKHEAD_WORKLOAD(lender)

} // namespace
} // namespace bulkhead::workload
