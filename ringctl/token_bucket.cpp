// Each domain has a bucket that fills at its rate up to a burst. A request takes a token for each started 64
// KiB, or for each packet that the network cuts it into, and waits until they are there; of the requests with
// their tokens the oldest is served first. This is a limit and not a share: the device may idle while
// requests wait.
//
// Paper:    J. S. Turner, "New directions in communications (or which way to the information age?)",
//           IEEE Communications Magazine 24(10), 1986 (leaky bucket).
// Good at:  a price list: a fixed rate of requests and no more, for any behaviour of other guests.
// Bad at:   using an idle device; delay right after a burst; seeks, which cost a device more than a rate
//           shows.
// Bounds:   in any window of length w a domain has at most burst + rate * w tokens' worth served, and
//           one request larger than the burst. A bucket is full when the policy takes over: each swap to
//           it allows another burst. The bound holds in windows within which the rate does not change.
#include "ringctl/flows.hpp"

#include <utility>

namespace {

using namespace bulkhead;
namespace flows = ringctl::flows;

class TokenBucket : public ringctl::Policy {
  public:
    using Request = flows::Request;
    struct Domain : flows::Domain {
        RealTime full;     // when its bucket will be full again
        std::int64_t rate; // at which it fills until then
    };

    static constexpr bool work_conserving = false;
    static constexpr plugin::Parameter parameters[] = {
        {"rate", "1/s", "tokens of each domain without a rate of its own", 1'000, 1, 1'000'000},
        {"burst", "1", "tokens that a domain may save up", 16, 1, 10'000},
    };
    static constexpr plugin::Parameter domain_parameters[] = {
        {"rate", "1/s", "tokens of this domain; 0: the policy's", 0, 0, 1'000'000},
    };
    static constexpr ringctl::Text text{
        .name = "token_bucket",
        .summary = "a rate of requests for each domain, and a burst",
        .good_at = "limits that hold for any behaviour of others",
        .bad_at = "using an idle device, delay after a burst",
        .source = "Turner, New directions in communications, IEEE Communications Magazine 1986",
    };

    explicit TokenBucket(const ringctl::Setup<TokenBucket>& setup)
        : services_{setup.services}, rate_{setup.values[0]}, burst_{setup.values[1]} {}

    void attach(const Ring& ring) {
        Domain& domain = static_cast<Domain&>(*ring.domain);
        domain.rate = rate(domain);
    }
    // Its tokens stay; those that are missing come at the new rate.
    void tune(Domain& domain) {
        const std::int64_t former = std::exchange(domain.rate, rate(domain));
        const RealTime now = services_.now();
        if (former != domain.rate && domain.full > now)
            domain.full = now + Nanos{(domain.full - now).count() * former / domain.rate};
    }

    void enqueue(Request& request, RealTime) { turns_.push(domain_of(request), request); }
    void withdraw(Request& request) { turns_.remove(request); }

    ringctl::Decision next(RealTime now) {
        Domain* domain = turns_.least([&](const Domain& each) { return ready(each) <= now; }, older);
        if (domain == nullptr)
            return wait();
        Request& request = domain->queue.front();
        const std::int64_t of_rate = rate(*domain);
        domain->full =
            std::max(domain->full, now) + Nanos{(flows::count_of(request) * second + of_rate - 1) / of_rate};
        turns_.remove(request);
        return ringctl::Decision::serve(request);
    }

  private:
    static constexpr std::int64_t second = 1'000'000'000; // ns
    static Domain& domain_of(const Request& request) {
        return static_cast<Domain&>(flows::domain_of(request));
    }
    static bool older(const Domain& a, const Domain& b) {
        return a.queue.front().number < b.queue.front().number;
    }
    [[nodiscard]] std::int64_t rate(const Domain& domain) const {
        return domain.values[0] != 0 ? domain.values[0] : rate_;
    }
    // When the tokens of its oldest request are there; a larger one than the bucket waits for a full one.
    [[nodiscard]] RealTime ready(const Domain& domain) const {
        const std::int64_t spare = std::max<std::int64_t>(burst_ - flows::count_of(domain.queue.front()), 0);
        return domain.full - Nanos{spare * second / rate(domain)};
    }
    ringctl::Decision wait() {
        const Domain* first =
            turns_.least([](const Domain&) { return true; },
                         [&](const Domain& a, const Domain& b) { return ready(a) < ready(b); });
        return first == nullptr ? ringctl::Decision::nothing() : ringctl::Decision::wait(ready(*first));
    }

    ringctl::Services services_;
    std::int64_t rate_, burst_;
    flows::Turns<Domain> turns_;
};

} // namespace

BULKHEAD_RING_POLICY(TokenBucket)
