#include "host/fallbacks.hpp"
#include "ringctl/contract.hpp"

#include <boost/intrusive/list.hpp>

namespace bulkhead::host {

namespace {

class Fallback : public ringctl::Policy {
  public:
    struct Request : ringctl::Request, boost::intrusive::list_base_hook<> {};
    static constexpr ringctl::Text text{.name = "fallback",
                                        .summary = "the oldest request first",
                                        .good_at = "keeping guests running",
                                        .bad_at = "everything else",
                                        .source = "host/fallback_ring.cpp"};

    explicit Fallback(const ringctl::Setup<Fallback>&) {}
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
    boost::intrusive::list<Request> queue_;
};

} // namespace

const plugin::Descriptor& fallback_ring_policy() { return ringctl::Registration<Fallback>::descriptor; }

} // namespace bulkhead::host
