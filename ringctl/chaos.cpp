// The oldest request first, until a given time; from then on it breaks the contract in the way that
// `mode` selects. It shows that a host survives, names the fault, and loses no request.
//
// Source:   the contract itself: each mode breaks one of its clauses.
// Good at:  testing the host.
// Bad at:   everything else.
// Bounds:   none.
#include "ringctl/contract.hpp"

#include <boost/intrusive/list.hpp>

namespace {

using namespace bulkhead;
namespace intrusive = boost::intrusive;

enum class Mode : std::int64_t {
    none,
    stray_pointer,
    served_twice,
    past_instant,
    silence,
    forget,
    newest_first,
    fault,        // in next
    endless_loop, // in next
    endless_calls // in enqueue
};

class Chaos : public ringctl::Policy {
  public:
    struct Request : ringctl::Request, intrusive::list_base_hook<> {};

    static constexpr bool well_behaved = false;
    static constexpr plugin::Parameter parameters[] = {
        {"mode", "1",
         "0 none, next answers: 1 a stray pointer, 2 a request in service, 3 an instant in the past; 4 "
         "nothing for "
         "ever; 5 it forgets the queue; 6 it serves the newest first; "
         "next: 7 reads address 0, 8 loops without end; 9 enqueue asks for the time without end",
         0, 0, 9},
        {"after", "us", "time until it misbehaves", 20'000, 0, 100'000'000},
    };
    static constexpr ringctl::Text text{
        .name = "chaos",
        .summary = "the oldest request first, but breaks the contract in a chosen way, to test the host",
        .good_at = "testing the host",
        .bad_at = "everything else",
        .source = "ringctl/contract.hpp, clause by clause",
    };

    explicit Chaos(const ringctl::Setup<Chaos>& setup)
        : services_{setup.services}, mode_{setup.values[0]},
          after_{RealTime{} + microseconds(setup.values[1])} {}

    void enqueue(Request& request, RealTime) {
        while (bad(Mode::endless_calls)) {
        }
        if (bad(Mode::newest_first))
            queue_.push_front(request);
        else if (!bad(Mode::forget))
            queue_.push_back(request);
    }
    void withdraw(Request& request) {
        if (request.is_linked())
            queue_.erase(queue_.iterator_to(request));
    }
    void complete(const Request& request, Nanos, RealTime) {
        if (served_ == &request)
            served_ = nullptr;
    }

    ringctl::Decision next(RealTime now) {
        if (bad(Mode::stray_pointer))
            return {reinterpret_cast<Request*>(this), {}};
        if (bad(Mode::served_twice) && served_ != nullptr)
            return {served_, {}};
        if (bad(Mode::fault))
            asm volatile("movl (%0), %%eax" : : "r"(std::uintptr_t{0}) : "eax", "memory");
        if (bad(Mode::endless_loop))
            for (;;)
                asm volatile("pause");
        if (bad(Mode::past_instant))
            return ringctl::Decision::wait(now);
        if (bad(Mode::silence) || queue_.empty())
            return ringctl::Decision::nothing();
        served_ = &queue_.front();
        queue_.pop_front();
        return ringctl::Decision::serve(*served_);
    }

  private:
    [[nodiscard]] bool bad(Mode mode) const { return mode_ == mode && services_.now() >= after_; }

    ringctl::Services services_;
    Mode mode_;
    RealTime after_;
    Request* served_ = nullptr;
    intrusive::list<Request> queue_;
};

} // namespace

BULKHEAD_RING_POLICY(Chaos)
