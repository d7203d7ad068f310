// The load generator of the latency victim: sends a request at each multiple of its period whether or not
// earlier ones were answered (open loop), and counts latency from when a request was due, so a stall is
// charged to every request it delays.
#include "guest/runtime/events.hpp"
#include "guest/runtime/mark.hpp"
#include "guest/runtime/print.hpp"
#include "workloads/histogram.hpp"
#include "workloads/link.hpp"

namespace bulkhead::workload {
namespace {

constexpr Option peer{"peer", "text", "-", "name or number of the domain that runs the responder"};
constexpr Option period_us{"period_us", "us", "1000", "time between two requests"};
constexpr Option phase_ns{"phase_ns", "ns", "0", "shift of all requests against multiples of the period"};
constexpr Option requests{"requests", "1", "0", "stop after this many requests; 0 for no limit"};
constexpr Option options_[] = {peer, period_us, phase_ns, requests};

constinit Histogram latency{};

class Pinger {
  public:
    Pinger(const Connection& connection, GuestTime first, Nanos period, std::uint64_t limit)
        : connection_{connection}, due_{first}, period_{period}, limit_{limit} {}

    [[nodiscard]] GuestTime next_due() const { return due_; }
    [[nodiscard]] bool sent_all() const { return sent_ >= limit_; }
    [[nodiscard]] std::uint64_t sent() const { return sent_; }
    [[nodiscard]] std::uint64_t received() const { return received_; }

    // Sends everything that is due and fits; what does not fit stays due.
    void send_due() {
        while (!sent_all() && guest::now() >= due_ && outstanding() < Link::slots)
            send();
    }

    void take_replies() {
        Link& link = *connection_.link;
        while (load(link.replies_made) != link.replies_taken) {
            const Message reply = link.replies[link.replies_taken % Link::slots];
            store(link.replies_taken, link.replies_taken + 1);
            guest::mark(guest::Mark::reply_received, reply.sequence);
            latency.add(guest::now() - due_time_[reply.sequence % Link::slots]);
            ++received_;
        }
    }

    void wait(GuestTime end) const {
        const GuestTime deadline = outstanding() < Link::slots && due_ < end ? due_ : end;
        static_cast<void>(guest::events::wait(connection_.port, deadline));
    }

    void close() const {
        store(connection_.link->closed, 1);
        static_cast<void>(guest::events::notify(connection_.port));
    }

  private:
    [[nodiscard]] std::uint64_t outstanding() const { return sent_ - received_; }

    void send() {
        Link& link = *connection_.link;
        const std::uint32_t made = link.requests_made;
        due_time_[sent_ % Link::slots] = due_;
        link.requests[made % Link::slots] = {.sequence = sent_, .time = due_.since_start().count()};
        guest::mark(guest::Mark::deadline, static_cast<std::uint64_t>(due_.since_start().count()));
        guest::mark(guest::Mark::request_sent, sent_);
        store(link.requests_made, made + 1);
        static_cast<void>(guest::events::notify(connection_.port));
        ++sent_;
        due_ += period_;
    }

    Connection connection_;
    GuestTime due_;
    Nanos period_;
    std::uint64_t limit_;
    std::uint64_t sent_ = 0;
    std::uint64_t received_ = 0;
    std::array<GuestTime, Link::slots> due_time_{};
};

GuestTime first_deadline(Nanos period, Nanos phase) {
    const std::int64_t periods = guest::now().since_start().count() / period.count() + 2;
    return GuestTime{periods * period.count()} + phase;
}

void run() {
    const Nanos period = period_us.microseconds();
    if (period <= Nanos{0})
        guest::panic("pinger: period_us must be above 0");
    const std::uint64_t limit = requests.number() == 0 ? UINT64_MAX : requests.number();
    const Connection connection = offer_link(await_peer(peer.text()));
    Pinger pinger{connection, first_deadline(period, phase_ns.nanoseconds()), period, limit};
    while (!over() && !pinger.sent_all()) {
        pinger.take_replies();
        pinger.send_due();
        pinger.wait(ends());
    }
    const GuestTime patience = guest::now() + bulkhead::milliseconds(1000);
    for (pinger.take_replies(); pinger.received() < pinger.sent() && guest::now() < patience;
         pinger.take_replies())
        static_cast<void>(guest::events::wait(connection.port, patience));
    pinger.close();
    guest::mark(guest::Mark::finished, pinger.received());
    guest::print("RESULT name=pinger sent={} received={} p50_ns={} p99_ns={} max_ns={} ns={}\n",
                 pinger.sent(), pinger.received(), latency.percentile(500), latency.percentile(990),
                 latency.max(), guest::now() - began());
}

constexpr Workload pinger_{Kind::victim, "pinger", "sends requests to a responder on a fixed timetable",
                           options_, run};
BULKHEAD_WORKLOAD(pinger_)

} // namespace
} // namespace bulkhead::workload
