// All requests of a device wait in one queue, and the oldest is served first. It keeps no accounts, so
// the guest that asks most gets most. It is the example to copy: a whole ring policy in one file.
//
// Source:   the back ends of Xen's first split drivers serve rings in this way: P. Barham et al., "Xen
//           and the art of virtualization", SOSP 2003, section 5.7 and figure 5 (disk-bound work is not
//           proportional).
// Good at:  the device's throughput; least work for each request; behaviour that fits in the head.
// Bad at:   isolation: a guest with many requests, or with large ones, makes all others wait; weights
//           (ignored).
// Bounds:   a request waits for the requests queued before it, and for no others.
#include "ringctl/contract.hpp"

#include <boost/intrusive/list.hpp>

namespace {

using namespace bulkhead;
namespace intrusive = boost::intrusive;

class Fifo : public ringctl::Policy {
  public:
    struct Request : ringctl::Request, intrusive::list_base_hook<> {};

    static constexpr ringctl::Text text{
        .name = "fifo",
        .summary = "one queue for all guests, the oldest request first",
        .good_at = "the device's throughput, little work for each request",
        .bad_at = "isolation: the guest that asks most gets most; weights (ignored)",
        .source = "Barham et al., Xen and the art of virtualization, SOSP 2003",
    };

    explicit Fifo(const ringctl::Setup<Fifo>&) {}

    void enqueue(Request& request, RealTime) { queue_.push_back(request); }
    void withdraw(Request& request) { queue_.erase(queue_.iterator_to(request)); }

    ringctl::Decision next(RealTime) {
        if (queue_.empty())
            return ringctl::Decision::nothing();
        Request& oldest = queue_.front();
        queue_.pop_front();
        return ringctl::Decision::serve(oldest);
    }

  private:
    intrusive::list<Request> queue_; // all that are queued in the contract's sense, oldest first
};

} // namespace

BULKHEAD_RING_POLICY(Fifo)
