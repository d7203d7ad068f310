// Each domain with queued requests has one of them served in turn. The cost of a request on the device
// plays no part.
//
// Paper:    J. Nagle, "On packet switches with infinite storage", IEEE Transactions on Communications
//           35(4), 1987.
// Good at:  equal numbers of requests for all domains; few and cheap decisions.
// Bad at:   requests of different sizes (large ones take most of the device), weights (ignored).
// Bounds:   with n domains that have requests queued, each has one served among any n in a row. A
//           domain's oldest request therefore waits for n - 1 others and the requests in service.
#include "ringctl/flows.hpp"

namespace {

using namespace bulkhead;
namespace flows = ringctl::flows;

class RoundRobin : public ringctl::Policy {
  public:
    using Request = flows::Request;
    using Domain = flows::Domain;

    static constexpr ringctl::Text text{
        .name = "round_robin",
        .summary = "one request of each domain in turn",
        .good_at = "equal numbers of requests, few and cheap decisions",
        .bad_at = "requests of different sizes, weights (ignored)",
        .source = "Nagle, On packet switches with infinite storage, IEEE Trans. Communications 1987",
    };

    explicit RoundRobin(const ringctl::Setup<RoundRobin>&) {}

    void enqueue(Request& request, RealTime) { turns_.push(flows::domain_of(request), request); }
    void withdraw(Request& request) { turns_.remove(request); }

    ringctl::Decision next(RealTime) {
        if (turns_.empty())
            return ringctl::Decision::nothing();
        Request& request = turns_.first().queue.front();
        turns_.rotate();
        turns_.remove(request);
        return ringctl::Decision::serve(request);
    }

  private:
    flows::Turns<Domain> turns_;
};

} // namespace

BULKHEAD_RING_POLICY(RoundRobin)
