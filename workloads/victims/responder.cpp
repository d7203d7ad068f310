// The latency victim: sleeps until a request comes, does a little work, replies. What it loses to others is
// the time until it runs. Requests and replies go through a page shared with the pinger and one event
// channel.
#include "guest/runtime/events.hpp"
#include "guest/runtime/mark.hpp"
#include "guest/runtime/print.hpp"
#include "workloads/histogram.hpp"
#include "workloads/link.hpp"
#include "workloads/work.hpp"

namespace bulkhead::workload {
namespace {

constexpr Option peer{"peer", "text", "-", "name or number of the domain that runs the pinger"};
constexpr Option iterations{"work", "1", "3125",
                            "loop iterations of work for each request; 3125 take 50 us at 4 ns"};
constexpr Option options_[] = {peer, iterations};

// From the request's deadline until it was seen, and until its reply was sent. Only sound while both guests
// are told the same time; the experiments use the marks instead.
constinit Histogram wake_to_run{};
constinit Histogram response{};

Nanos since(std::int64_t time) { return guest::now() - GuestTime{time}; }

void answer(Link& link, std::uint64_t work_iterations) {
    const std::uint32_t taken = link.requests_taken;
    const Message request = link.requests[taken % Link::slots];
    guest::mark(guest::Mark::request_seen, request.sequence);
    wake_to_run.add(since(request.time));
    const Message reply{.sequence = request.sequence, .time = guest::now().since_start().count()};
    store(link.requests_taken, taken + 1);
    work(work_iterations);
    const std::uint32_t made = link.replies_made;
    link.replies[made % Link::slots] = reply;
    store(link.replies_made, made + 1);
    guest::mark(guest::Mark::response_sent, request.sequence);
    response.add(since(request.time));
}

// A full reply ring cannot be: the pinger has at most `slots` requests outstanding.
std::uint64_t serve(const Connection& connection, std::uint64_t work_iterations) {
    std::uint64_t served = 0;
    Link& link = *connection.link;
    while (load(link.requests_made) != link.requests_taken) {
        answer(link, work_iterations);
        static_cast<void>(guest::events::notify(connection.port));
        ++served;
    }
    return served;
}

void run() {
    const std::uint64_t work_iterations = iterations.number();
    const Connection connection = accept_link(await_peer(peer.text()));
    std::uint64_t served = 0;
    while (!over()) {
        served += serve(connection, work_iterations);
        if (load(connection.link->closed) != 0)
            break;
        static_cast<void>(guest::events::wait(connection.port, ends()));
    }
    guest::mark(guest::Mark::finished, served);
    guest::print(
        "RESULT name=responder served={} seen_p50_ns={} seen_p99_ns={} seen_max_ns={} response_p50_ns={} "
        "response_p99_ns={} response_max_ns={} ns={}\n",
        served, wake_to_run.percentile(500), wake_to_run.percentile(990), wake_to_run.max(),
        response.percentile(500), response.percentile(990), response.max(), guest::now() - began());
}

constexpr Workload responder{Kind::victim, "responder",
                             "answers each request of a pinger after a little work", options_, run};
BULKHEAD_WORKLOAD(responder)

} // namespace
} // namespace bulkhead::workload
