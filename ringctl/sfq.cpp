// Start-time fair queueing: a request starts, in virtual time, at the end of its domain's last one, and
// ends there plus its cost over the domain's weight. The request that starts first is served first, and of
// those that start together the one that ends first: many light domains in step would otherwise all precede a
// heavier one. Virtual time is the start of the last served request, so a domain that was away has no claim
// on the past.
//
// Paper:    P. Goyal, H. M. Vin, H. Cheng, "Start-time fair queuing", SIGCOMM 1996; for devices that
//           hold several requests: W. Jin, J. S. Chase, J. Kaur, "Interposed proportional sharing for a
//           storage service utility", SIGMETRICS 2004.
// Good at:  shares by weight for any sizes of requests; a quiet domain's request is served soon.
// Bad at:   reservations and limits (none); it looks at all domains with queued requests.
// Bounds:   two domains that always have requests queued, on a device that takes one at a time: their
//           service over weight differs, in any window, by at most the largest request of each over its
//           weight (the paper's theorem 1). A device that takes several adds the error of the estimate
//           of each request in it.
#include "ringctl/flows.hpp"

namespace {

using namespace bulkhead;
namespace flows = ringctl::flows;

class Sfq : public ringctl::Policy {
  public:
    using Request = flows::Request;
    struct Domain : flows::Domain {
        std::int64_t start; // of its oldest queued request, in virtual time
        std::int64_t end;   // of the last one that was served
    };

    static constexpr plugin::Parameter parameters[] = {flows::unit_parameter};
    static constexpr ringctl::Text text{
        .name = "sfq",
        .summary = "the request that starts first in virtual time, which passes by weight",
        .good_at = "shares by weight for any sizes of requests, delay of quiet domains",
        .bad_at = "reservations and limits (none)",
        .source = "Goyal, Vin and Cheng, Start-time fair queuing, SIGCOMM 1996",
    };

    explicit Sfq(const ringctl::Setup<Sfq>& setup) : unit_{static_cast<flows::Unit>(setup.values[0])} {}

    void enqueue(Request& request, RealTime) {
        Domain& domain = domain_of(request);
        if (turns_.push(domain, request))
            domain.start = std::max(clock_, domain.end);
    }
    void withdraw(Request& request) { turns_.remove(request); }

    ringctl::Decision next(RealTime) {
        Domain* domain = turns_.least([](const Domain&) { return true; },
                                      [this](const Domain& a, const Domain& b) {
                                          return a.start != b.start ? a.start < b.start : end(a) < end(b);
                                      });
        if (domain == nullptr)
            return ringctl::Decision::nothing();
        Request& request = domain->queue.front();
        clock_ = domain->start;
        domain->end = end(*domain);
        turns_.remove(request);
        domain->start = domain->end;
        return ringctl::Decision::serve(request);
    }

    // What a request really took is known only now: seeks between guests' requests are paid by who was
    // served.
    void complete(const Request& request, Nanos service, RealTime) {
        Domain& domain = domain_of(request);
        const std::int64_t more =
            flows::surcharge(request, service, unit_) * flows::virtual_unit / domain.weight;
        domain.end += more;
        domain.start += more;
    }

  private:
    static Domain& domain_of(const Request& request) {
        return static_cast<Domain&>(flows::domain_of(request));
    }

    // Of a domain's oldest request.
    [[nodiscard]] std::int64_t end(const Domain& domain) const {
        return domain.start +
               flows::cost_of(domain.queue.front(), unit_) * flows::virtual_unit / domain.weight;
    }

    flows::Unit unit_;
    std::int64_t clock_ = 0;
    flows::Turns<Domain> turns_;
};

} // namespace

BULKHEAD_RING_POLICY(Sfq)
