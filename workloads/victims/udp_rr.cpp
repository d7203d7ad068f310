// The network's request/response victim, as netperf's test UDP_RR: one datagram to a server, its answer, the
// next one. With a period, requests are due on a timetable whatever became of earlier ones, and latency
// counts from then.
#include "guest/runtime/events.hpp"
#include "guest/runtime/mark.hpp"
#include "guest/runtime/print.hpp"
#include "workloads/histogram.hpp"
#include "workloads/station.hpp"

namespace bulkhead::workload {
namespace {

constexpr Option host{"host", "1", "2", "own address: 10.0.0.HOST"};
constexpr Option peer{"peer", "1", "1", "the server's address: 10.0.0.PEER"};
constexpr Option bytes{"bytes", "1", "64", "size of a datagram's payload, 8 to 1472"};
constexpr Option period_us{"period_us", "us", "0", "time between two requests; 0: after each answer"};
constexpr Option phase_ns{"phase_ns", "ns", "0", "shift of all requests, if they have a period"};
constexpr Option patience_us{"patience_us", "us", "20000",
                             "without a period: time after which a request counts as lost"};
constexpr Option server_port{"port", "1", "7", "the server's UDP port, 1 to 65535"};
constexpr Option options_[] = {host, peer, server_port, bytes, period_us, phase_ns, patience_us};

constinit Histogram latency{};

class Client {
  public:
    Client(Station& station, std::uint16_t target, std::uint32_t payload, Nanos period, Nanos phase,
           Nanos patience)
        : station_{station}, target_{target}, payload_{payload}, period_{period}, patience_{patience},
          due_{guest::now() + period + phase} {}

    void run() {
        while (!over()) {
            while (const auto answer = station_.receive()) {
                received(answer->payload);
                station_.done();
            }
            if (guest::now() >= due_ && !over())
                send();
            static_cast<void>(guest::events::wait(station_.port(), std::min(due_, ends())));
        }
    }
    [[nodiscard]] std::uint64_t sent() const { return sent_; }
    [[nodiscard]] std::uint64_t answers() const { return answers_; }

  private:
    [[nodiscard]] bool has_period() const { return period_ > Nanos{}; }

    void send() {
        const GuestTime since = has_period() ? due_ : guest::now();
        due_ = has_period() ? due_ + period_ : since + patience_;
        if (!station_.send(sent_, payload_, target_))
            return;
        guest::mark(guest::Mark::deadline, static_cast<std::uint64_t>(since.since_start().count()));
        guest::mark(guest::Mark::request_sent, sent_);
        sent_at_[sent_++ % sent_at_.size()] = since;
        station_.push();
    }
    void received(std::span<const std::byte> payload) {
        std::uint64_t number = 0;
        for (std::size_t i = 0; i < 8; ++i)
            number = number << 8 | std::to_integer<std::uint64_t>(payload[i]);
        if (payload.size() < 8 || number >= sent_ || sent_ - number > sent_at_.size())
            return;
        guest::mark(guest::Mark::reply_received, number);
        latency.add(guest::now() - sent_at_[number % sent_at_.size()]);
        guest::mark(guest::Mark::operations, ++answers_);
        if (!has_period())
            due_ = guest::now();
    }

    Station& station_;
    std::uint16_t target_;
    std::uint32_t payload_;
    Nanos period_, patience_;
    GuestTime due_;
    std::uint64_t sent_ = 0, answers_ = 0;
    std::array<GuestTime, 4096> sent_at_{};
};

void run() {
    if (bytes.number() < 8 || bytes.number() > largest_payload)
        guest::panic("udp_rr: option bytes: write 8 to {}", largest_payload);
    if (server_port.number() < 1 || server_port.number() > 65535)
        guest::panic("udp_rr: option port: write 1 to 65535");
    Station station{"udp_rr", host_number(host)};
    if (!station.resolve(host_number(peer), ends()))
        guest::panic("udp_rr: nobody answers at 10.0.0.{}", peer.number());
    guest::mark(guest::Mark::ready);
    static constinit std::byte place alignas(Client)[sizeof(Client)]{}; // too large for the stack
    auto& client = *::new (place) Client{station,
                                         static_cast<std::uint16_t>(server_port.number()),
                                         static_cast<std::uint32_t>(bytes.number()),
                                         period_us.microseconds(),
                                         phase_ns.nanoseconds(),
                                         patience_us.microseconds()};
    client.run();
    guest::mark(guest::Mark::finished, client.answers());
    guest::print("RESULT name=udp_rr sent={} answers={} failures={} p50_ns={} p99_ns={} max_ns={} ns={}\n",
                 client.sent(), client.answers(), station.failures(), latency.percentile(500),
                 latency.percentile(990), latency.max(), guest::now() - began());
}

constexpr Workload rr{Kind::victim, "udp_rr", "asks a udp_echo server for one answer after another", options_,
                      run};
BULKHEAD_WORKLOAD(rr)

} // namespace
} // namespace bulkhead::workload
