// Deficit round robin: in its turn a domain may spend a quantum, in proportion to its weight, on its
// oldest requests. A rest too small for the next request is kept for the next turn, and lost when the
// queue is empty. The first quantum comes with the turn, so a request larger than a quantum waits some
// turns.
//
// Paper:    M. Shreedhar, G. Varghese, "Efficient fair queuing using deficit round robin", SIGCOMM 1995.
// Good at:  shares of the device's time by weight for any sizes of requests; constant work for each
//           request as long as every domain's quantum suffices for its largest one (else it looks at all
//           domains with queued requests, at most twice for each served request).
// Bad at:   delay: a request of a quiet domain waits for a quantum of every other one; bursts of a
//           quantum.
// Bounds:   two domains that always have requests queued, on a device that takes one at a time: their
//           service over weight differs, in any window, by at most the quantum of weight 1 and the
//           largest request of each over its weight (the paper's theorem 2), and by the error of that
//           request's estimate.
#include "ringctl/flows.hpp"

namespace {

using namespace bulkhead;
namespace flows = ringctl::flows;

class Drr : public ringctl::Policy {
  public:
    using Request = flows::Request;
    struct Domain : flows::Domain {
        std::int64_t deficit;
        bool in_turn; // has been given its quantum for this turn
    };

    static constexpr plugin::Parameter parameters[] = {
        {"quantum", "1", "share of a domain of weight 256 in its turn: us, KiB or requests/100", 500, 1,
         1'000'000},
        flows::unit_parameter,
    };
    static constexpr ringctl::Text text{
        .name = "drr",
        .summary = "a quantum by weight for each domain in turn, the rest of it is kept",
        .good_at = "shares by weight for any sizes of requests, constant work if a quantum suffices for one",
        .bad_at = "delay of quiet domains, bursts of a quantum",
        .source = "Shreedhar and Varghese, Efficient fair queuing using deficit round robin, SIGCOMM 1995",
    };

    explicit Drr(const ringctl::Setup<Drr>& setup)
        : unit_{static_cast<flows::Unit>(setup.values[1])}, quantum_{setup.values[0] * flows::coarse(unit_)} {
    }

    void enqueue(Request& request, RealTime) { turns_.push(domain_of(request), request); }
    void withdraw(Request& request) { remove(request); }

    ringctl::Decision next(RealTime) {
        std::size_t unserved = 0;
        while (!turns_.empty()) {
            Domain& domain = turns_.first();
            if (!domain.in_turn)
                domain.deficit += share_of(domain);
            domain.in_turn = true;
            if (needs(domain) <= 0)
                return serve(domain);
            domain.in_turn = false;
            turns_.rotate();
            if (++unserved ==
                turns_.size()) // no domain's quantum was enough: small quanta shall cost no time
                pass_rounds();
        }
        return ringctl::Decision::nothing();
    }

    // What a request really took is known only now: seeks between guests' requests are paid by who was
    // served.
    void complete(const Request& request, Nanos service, RealTime) {
        domain_of(request).deficit -= flows::surcharge(request, service, unit_);
    }

  private:
    static Domain& domain_of(const Request& request) {
        return static_cast<Domain&>(flows::domain_of(request));
    }
    [[nodiscard]] std::int64_t share_of(const Domain& domain) const {
        return std::max<std::int64_t>(quantum_ * domain.weight / ringctl::default_weight, 1);
    }
    // What is missing for its oldest request.
    [[nodiscard]] std::int64_t needs(const Domain& domain) const {
        return flows::cost_of(domain.queue.front(), unit_) - domain.deficit;
    }

    ringctl::Decision serve(Domain& domain) {
        Request& request = domain.queue.front();
        domain.deficit -= flows::cost_of(request, unit_);
        remove(request);
        return ringctl::Decision::serve(request);
    }

    // All but the last of the rounds that it takes until a domain can be served.
    void pass_rounds() {
        std::int64_t rounds = INT64_MAX;
        turns_.for_each(
            [&](const Domain& domain) { rounds = std::min(rounds, (needs(domain) - 1) / share_of(domain)); });
        turns_.for_each([&](Domain& domain) { domain.deficit += share_of(domain) * rounds; });
    }

    void remove(Request& request) {
        Domain& domain = domain_of(request);
        turns_.remove(request);
        if (domain.queue.empty()) {
            domain.deficit = std::min<std::int64_t>(domain.deficit, 0); // a debt is not forgotten
            domain.in_turn = false;
        }
    }

    flows::Unit unit_;
    std::int64_t quantum_; // of the default weight
    flows::Turns<Domain> turns_;
};

} // namespace

BULKHEAD_RING_POLICY(Drr)
