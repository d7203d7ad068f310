// Reads its name in xenstore at a fixed rate; the marks tell how long each answer took.
#include "guest/runtime/mark.hpp"
#include "guest/runtime/print.hpp"
#include "guest/runtime/xenstore.hpp"
#include "workloads/workload.hpp"

namespace bulkhead::workload {
namespace {

constexpr Option every{"every_us", "us", "1000", "time between two reads"};
constexpr Option options_[] = {every};

void run() {
    std::uint64_t done = 0;
    for (auto next = began(); !over(); next = next + every.microseconds()) {
        guest::sleep_until(next);
        guest::mark(guest::Mark::request_sent, done);
        if (const auto name = guest::xenstore::read("name"); !name)
            guest::panic("store_reader: no answer: {}", name.error());
        guest::mark(guest::Mark::reply_received, done++);
    }
    guest::mark(guest::Mark::finished, done);
    guest::print("RESULT name=store_reader reads={}\n", done);
}

constexpr Workload store_reader{Kind::victim, "store_reader", "reads from xenstore at a fixed rate", options_,
                                run};
BULKHEAD_WORKLOAD(store_reader)

} // namespace
} // namespace bulkhead::workload
