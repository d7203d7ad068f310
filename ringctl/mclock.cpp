// Every domain has a reservation in requests per second, limits in requests and in bytes per second, and a
// weight. A domain behind its reservation comes first; else, of the domains within their limits, the one
// with the least service for its weight. Service by weight beyond a reservation does not count against it.
// A domain that is away saves no claim beyond the idle credit.
//
// Paper:    A. Gulati, A. Merchant, P. J. Varman, "mClock: handling throughput variability for
//           hypervisor IO scheduling", OSDI 2010. A request counts once for each started 64 KiB, or
//           for each packet that the network cuts it into. The paper's limit tags make up for any delay of a
//           busy device; these make up for `burst` requests.
// Good at:  guarantees and ceilings for each domain together with shares of the rest.
// Bad at:   reservations that together are more than the device can do (the earliest tag wins, all are
//           late).
// Bounds:   if the reservations fit the device, a domain that always has requests queued is served at
//           least r * w requests in any window of length w, less one and the requests in service. With a
//           limit l it is served at most l * w + 1 + burst, for any reservation: r counts up to l. A limit
//           in bytes allows one request and `burst` of the largest size beyond l * w. This holds in windows
//           within which the domain's rates do not change.
#include "ringctl/flows.hpp"

#include <iterator>

namespace {

using namespace bulkhead;
namespace flows = ringctl::flows;

class Mclock : public ringctl::Policy {
  public:
    using Request = flows::Request;
    struct Domain : flows::Domain {
        RealTime reserved;     // tags of its oldest queued request: due by its reservation,
        RealTime allowed;      // not before, by its limit in requests,
        RealTime affordable;   // nor before, by its limit in bytes,
        std::int64_t share;    // and its place among the others, in virtual time
        std::int64_t rates[3]; // by which the tags were made
    };

    static constexpr bool work_conserving = false; // limits
    static constexpr plugin::Parameter parameters[] = {
        {"reservation", "1/s", "requests for each domain without a reservation of its own", 0, 0, 1'000'000},
        {"burst", "1", "requests that a limited domain may make up for after the device was taken", 4, 0,
         1'000},
        {"credit", "1", "requests by which a domain that was idle may be ahead of its weight", 0, 0, 256},
    };
    static constexpr plugin::Parameter domain_parameters[] = {
        {"reservation", "1/s", "requests that this domain gets first; 0: the policy's", 0, 0, 1'000'000},
        {"limit", "1/s", "requests that it gets at most; 0: no limit", 0, 0, 1'000'000},
        {"bandwidth", "KiB/s", "bytes that it gets at most; 0: no limit", 0, 0, 100'000'000},
    };
    static constexpr ringctl::Text text{
        .name = "mclock",
        .summary = "reservation, limits and weight of each domain, in requests and bytes per second",
        .good_at = "guarantees and ceilings together with shares of the rest",
        .bad_at = "reservations that are more than the device can do",
        .source = "Gulati, Merchant and Varman, mClock, OSDI 2010",
    };

    explicit Mclock(const ringctl::Setup<Mclock>& setup)
        : services_{setup.services}, reservation_{setup.values[0]}, burst_{setup.values[1]},
          credit_{setup.values[2] * scale} {}

    void attach(const Ring& ring) { note_rates(static_cast<Domain&>(*ring.domain)); }
    // A rate that changes counts from now on: what the former one had put off, owed or saved up is over.
    void tune(Domain& domain) {
        const RealTime now = services_.now();
        const std::int64_t former[] = {domain.rates[0], domain.rates[1], domain.rates[2]};
        note_rates(domain);
        RealTime* const tags[] = {&domain.reserved, &domain.allowed, &domain.affordable};
        for (std::size_t i = 0; i < std::size(tags); ++i)
            if (domain.rates[i] != former[i])
                *tags[i] = now;
    }

    void enqueue(Request& request, RealTime now) {
        Domain& domain = domain_of(request);
        if (!turns_.push(domain, request))
            return;
        domain.reserved = std::max(domain.reserved, now);
        domain.allowed = std::max(domain.allowed, now);
        domain.affordable = std::max(domain.affordable, now);
        domain.share = std::max(domain.share, clock_ - credit_ / domain.weight);
    }
    void withdraw(Request& request) { turns_.remove(request); }

    ringctl::Decision next(RealTime now) {
        const auto is_behind = [&](const Domain& each) {
            return reserves(each) && each.reserved <= now && may_from(each) <= now;
        };
        if (Domain *behind = turns_.least(
                is_behind, [](const Domain& a, const Domain& b) { return a.reserved < b.reserved; }))
            return serve(*behind, true, now);
        Domain* next = poorest(now);
        return next != nullptr ? serve(*next, false, now) : wait();
    }

  private:
    static constexpr std::int64_t scale = 1 << 20;        // virtual time of a request at weight 1
    static constexpr std::int64_t second = 1'000'000'000; // ns

    static Domain& domain_of(const Request& request) {
        return static_cast<Domain&>(flows::domain_of(request));
    }
    static Nanos spacing(std::int64_t rate, std::int64_t count) {
        return Nanos{(count * second + rate - 1) / rate};
    }
    void note_rates(Domain& domain) const {
        domain.rates[0] = reservation(domain);
        domain.rates[1] = domain.values[1];
        domain.rates[2] = domain.values[2];
    }
    static RealTime may_from(const Domain& domain) { return std::max(domain.allowed, domain.affordable); }
    [[nodiscard]] std::int64_t reservation(const Domain& domain) const {
        const std::int64_t reserved = domain.values[0] != 0 ? domain.values[0] : reservation_;
        return domain.values[1] != 0 ? std::min(reserved, domain.values[1]) : reserved;
    }
    [[nodiscard]] bool reserves(const Domain& domain) const { return reservation(domain) != 0; }

    // The one of those within their limits that has had least for its weight.
    Domain* poorest(RealTime now) {
        return turns_.least([&](const Domain& each) { return may_from(each) <= now; },
                            [](const Domain& a, const Domain& b) { return a.share < b.share; });
    }

    // Virtual time follows whatever is served, also by reservation: else who comes then would find all others
    // in debt for what they had reserved. Who waits for its limit does not hold it back.
    void pass(std::int64_t served, RealTime now) {
        const Domain* next = poorest(now);
        clock_ = std::max(clock_, next != nullptr ? next->share : served);
    }

    // A request was served at `now` though it might have been at `tag`. A delay of up to `burst_` such
    // requests is made up for, so that a busy device does not keep a domain below its limit.
    void pay(RealTime& tag, Nanos spacing, RealTime now) const {
        tag = std::max(tag, now - spacing * burst_) + spacing;
    }

    // Its tags move on to its next request. One that was served by weight costs nothing of the reservation.
    ringctl::Decision serve(Domain& domain, bool by_reservation, RealTime now) {
        Request& request = domain.queue.front();
        const std::int64_t count = flows::count_of(request);
        if (by_reservation)
            domain.reserved += spacing(reservation(domain), count);
        if (domain.values[1] != 0)
            pay(domain.allowed, spacing(domain.values[1], count), now);
        if (domain.values[2] != 0)
            pay(domain.affordable, spacing(domain.values[2] * 1'024, request.bytes), now);
        const std::int64_t served = domain.share;
        domain.share += count * scale / domain.weight;
        turns_.remove(request);
        pass(served, now);
        return ringctl::Decision::serve(request);
    }

    ringctl::Decision wait() {
        RealTime first = RealTime::never();
        turns_.for_each([&](const Domain& domain) { first = std::min(first, may_from(domain)); });
        return first == RealTime::never() ? ringctl::Decision::nothing() : ringctl::Decision::wait(first);
    }

    ringctl::Services services_;
    std::int64_t reservation_, burst_;
    std::int64_t credit_; // virtual time at weight 1
    std::int64_t clock_ = 0;
    flows::Turns<Domain> turns_;
};

} // namespace

BULKHEAD_RING_POLICY(Mclock)
