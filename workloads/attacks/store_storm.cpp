// Makes domain 0 work: a transaction with many large writes, and then reads in it as fast as they are
// answered.
#include "guest/runtime/mark.hpp"
#include "guest/runtime/print.hpp"
#include "guest/runtime/xenstore.hpp"
#include "workloads/workload.hpp"

namespace bulkhead::workload {
namespace {

namespace xenstore = guest::xenstore;

constexpr Option writes{"writes", "1", "32", "writes in the transaction"};
constexpr Option bytes{"bytes", "1", "2000", "bytes of each write, at most 2000"};
constexpr Option at_once{"at_once", "1", "32", "reads that are sent together"};
constexpr Option options_[] = {writes, bytes, at_once};

constinit std::array<char, 2000> value{};

void run() {
    const auto transaction = xenstore::begin();
    if (!transaction)
        guest::panic("store_storm: no transaction: {}", transaction.error());
    value.fill('x');
    const std::string_view text{value.data(), std::min<std::size_t>(bytes.number(), value.size())};
    for (std::uint64_t i = 0; i < writes.number(); ++i)
        static_cast<void>(xenstore::write("data/storm", text, *transaction));
    const auto count = static_cast<std::uint32_t>(at_once.number());
    std::uint64_t done = 0;
    while (!over()) {
        xenstore::read_many("name", count, *transaction);
        done += count;
        guest::mark(guest::Mark::operations, done);
    }
    guest::mark(guest::Mark::finished, done);
    guest::print("RESULT name=store_storm reads={}\n", done);
}

constexpr Workload store_storm{Kind::attack, "store_storm", "reads inside a large xenstore transaction",
                               options_, run};
BULKHEAD_WORKLOAD(store_storm)

} // namespace
} // namespace bulkhead::workload
