// A domain's reads and writes are answered within a target, as long as the domain asks for no more than
// a rate. Requests within the rate have a deadline, and the earliest is served first; all other requests
// share by weight. While answers come late all the same, the device gets fewer requests at a time, so
// that a new one has fewer before it; otherwise it gets more.
//
// Paper:    C. R. Lumb, A. Merchant, G. A. Alvarez, "Facade: virtual storage devices with performance
//           guarantees", FAST 2003 (targets with rates, earliest deadline first, and a queue at the
//           device that shrinks when targets are missed). Requests beyond a rate are shared as by P.
//           Goyal, H. M. Vin, H. Cheng, "Start-time fair queuing", SIGCOMM 1996.
// Good at:  answers in time for domains with few requests, next to domains with many.
// Bad at:   a device's throughput while targets are missed (it gets few requests at a time); promises
//           that the device cannot keep: the policy does not check that they fit.
// Bounds:   if all requests of a device that takes one at a time are within their rates, and the
//           deadlines can be kept at all, each is late by at most the time of the largest request. A
//           rate counts a request once for each started 64 KiB, or for each packet that the network
//           cuts it into.
#include "ringctl/flows.hpp"

#include <utility>

namespace {

using namespace bulkhead;
namespace flows = ringctl::flows;

class LatencyTarget : public ringctl::Policy {
  public:
    struct Request : flows::Request {
        RealTime deadline; // if the device has it because of its promise; else 0
        Nanos allowed;     // the target then, which may change before it is done
    };
    struct Ring : ringctl::Ring {
        std::uint32_t inside; // requests that the device has
    };
    struct Domain : flows::Domain {
        RealTime due;       // its rate allows the next promise from then on
        std::int64_t rate;  // by which that was said
        std::int64_t start; // of its oldest request in virtual time, which passes by weight
    };

    static constexpr bool work_conserving = false; // it may give a device less at a time than it could take
    static constexpr plugin::Parameter parameters[] = {
        {"target", "us", "target of each domain without one of its own; 0: none", 10'000, 0, 10'000'000},
        {"rate", "1/s", "requests per second up to which the target is promised", 100, 1, 1'000'000},
        {"period", "ms", "time between two adjustments of the device's share of the queue", 50, 1, 10'000},
    };
    static constexpr plugin::Parameter domain_parameters[] = {
        {"target", "us", "time within which it is answered; 0: the policy's", 0, 0, 10'000'000},
        {"rate", "1/s", "requests per second up to which that holds; 0: the policy's", 0, 0, 1'000'000},
    };
    static constexpr ringctl::Text text{
        .name = "latency_target",
        .summary = "answers within a target up to a rate, the rest by weight",
        .good_at = "answers in time for domains with few requests",
        .bad_at = "throughput while targets are missed; promises that the device cannot keep",
        .source = "Lumb, Merchant and Alvarez, Facade: virtual storage devices with performance guarantees, "
                  "FAST 2003",
    };

    explicit LatencyTarget(const ringctl::Setup<LatencyTarget>& setup)
        : services_{setup.services}, target_{microseconds(setup.values[0])}, rate_{setup.values[1]},
          period_{milliseconds(setup.values[2])}, depth_{setup.services.depth()}, window_{depth_} {}

    void attach(const Ring& ring) {
        Domain& domain = static_cast<Domain&>(*ring.domain);
        domain.rate = rate(domain);
    }
    // A new rate counts from now on.
    void tune(Domain& domain) {
        if (std::exchange(domain.rate, rate(domain)) != domain.rate)
            domain.due = services_.now();
    }
    void detach(const Ring& ring) { inside_ -= ring.inside; } // nothing more is heard of them
    void enqueue(Request& request, RealTime) {
        Domain& domain = domain_of(request);
        if (turns_.push(domain, request))
            domain.start = std::max(domain.start, clock_);
    }
    void withdraw(Request& request) { turns_.remove(request); }

    ringctl::Decision next(RealTime now) {
        if (inside_ >= window_)
            return ringctl::Decision::nothing(); // until one is done
        Domain* urgent = turns_.least(
            [&](const Domain& domain) { return target(domain) != Nanos{} && begins(domain) <= now; },
            [&](const Domain& a, const Domain& b) { return deadline(a) < deadline(b); });
        if (urgent != nullptr)
            return serve(*urgent, deadline(*urgent));
        Domain* other = first();
        return other != nullptr ? serve(*other, {}) : ringctl::Decision::nothing();
    }

    void complete(const Request& request, Nanos service, RealTime now) {
        Domain& domain = domain_of(request);
        --static_cast<Ring*>(request.ring)->inside;
        --inside_;
        domain.start += flows::surcharge(request, service, unit) * flows::virtual_unit / domain.weight;
        if (request.deadline != RealTime{}) {
            const Nanos taken = now - (request.deadline - request.allowed);
            worst_ = std::max(worst_, taken.count() * 100 / request.allowed.count());
        }
        if (now >= looks_at_)
            adapt(now);
    }

  private:
    static constexpr flows::Unit unit = flows::Unit::device_time;
    static constexpr std::int64_t second = 1'000'000'000; // ns
    static Domain& domain_of(const Request& request) {
        return static_cast<Domain&>(flows::domain_of(request));
    }
    [[nodiscard]] Nanos target(const Domain& domain) const {
        return domain.values[0] != 0 ? microseconds(domain.values[0]) : target_;
    }
    [[nodiscard]] std::int64_t rate(const Domain& domain) const {
        return domain.values[1] != 0 ? domain.values[1] : rate_;
    }
    // From when on the oldest request is within the rate, and when it is to be answered.
    static RealTime begins(const Domain& domain) {
        return std::max(domain.due, domain.queue.front().arrived);
    }
    [[nodiscard]] RealTime deadline(const Domain& domain) const { return begins(domain) + target(domain); }

    // The first in virtual time; nullptr if no request waits.
    Domain* first() {
        return turns_.least([](const Domain&) { return true; },
                            [](const Domain& a, const Domain& b) { return a.start < b.start; });
    }
    // Virtual time follows whatever is served, also by promise: else who comes then would find all others in
    // debt for what they were promised.
    void pass(std::int64_t served) {
        const Domain* next = first();
        clock_ = std::max(clock_, next != nullptr ? next->start : served);
    }

    // One that is served by weight costs nothing of the promise; all cost virtual time.
    ringctl::Decision serve(Domain& domain, RealTime deadline) {
        auto& request = static_cast<Request&>(domain.queue.front());
        request.deadline = deadline;
        request.allowed = target(domain);
        if (deadline != RealTime{}) {
            domain.due = begins(domain) + Nanos{flows::count_of(request) * second / rate(domain)};
        }
        const std::int64_t started = domain.start;
        domain.start += flows::cost_of(request, unit) * flows::virtual_unit / domain.weight;
        ++static_cast<Ring*>(request.ring)->inside;
        ++inside_;
        turns_.remove(request);
        pass(started);
        return ringctl::Decision::serve(request);
    }

    // The device holds as many requests as let the worst answer of the last period come in time.
    void adapt(RealTime now) {
        if (worst_ > 100)
            window_ = static_cast<std::uint32_t>(std::max<std::int64_t>(window_ * 100 / worst_, 1));
        else if (window_ < depth_)
            ++window_;
        worst_ = 0;
        looks_at_ = now + period_;
    }

    ringctl::Services services_;
    Nanos target_;
    std::int64_t rate_;
    Nanos period_;
    std::uint32_t depth_,
        window_; // at most so many requests at the device: what it can take, what it is given
    std::uint32_t inside_ = 0;
    std::int64_t worst_ = 0; // answer of this period, in per cent of its target
    RealTime looks_at_{};
    std::int64_t clock_ = 0;
    flows::Turns<Domain> turns_;
};

} // namespace

BULKHEAD_RING_POLICY(LatencyTarget)
