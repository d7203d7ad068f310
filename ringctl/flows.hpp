// The common part of ring policies that share a device: a queue of requests for each domain, so that the
// number of its rings changes nothing, and what a request counts for. It must never decide who is next: that
// is the policies' difference.
#pragma once

#include "ringctl/contract.hpp"

#include <algorithm>
#include <boost/intrusive/list.hpp>

namespace bulkhead::ringctl::flows {

namespace intrusive = boost::intrusive;

struct Request : ringctl::Request, intrusive::list_base_hook<> {};

// A domain that has something queued is in a list of its policy's.
struct Domain : ringctl::Domain, intrusive::list_base_hook<> {
    using Queue = intrusive::list<Request, intrusive::constant_time_size<false>>;
    Queue queue; // oldest first
    [[nodiscard]] bool waits() const { return is_linked(); }
};

inline Domain& domain_of(const ringctl::Request& request) {
    return static_cast<Domain&>(*request.ring->domain);
}

// What a request counts for. Device time is fair whatever guests ask for; bytes and requests are what papers
// and prices count.
enum class Unit : std::int64_t { device_time = 0, bytes = 1, requests = 2 };
inline constexpr plugin::Parameter unit_parameter{
    "unit", "1", "what is shared out: 0 the device's time, 1 bytes, 2 requests", 0, 0, 2};

// What a request counts for where requests are counted, for example by a limit: its parts, or once for each
// started 64 KiB, so that a large one does not pass for a small one.
// A flush counts as one request, and moves no bytes; a discard counts as a write of what it forgets.
inline constexpr std::int64_t counted_bytes = 64 * 1'024;
constexpr std::int64_t count_of(const ringctl::Request& request) {
    return std::max<std::int64_t>(request.parts, (request.bytes + counted_bytes - 1) / counted_bytes);
}

// In nanoseconds, bytes, or hundredths of a request: nothing is rounded, or what is cut off would add up. A
// request that moves no bytes costs as many as the largest one that counts once: the device works for it all
// the same, and flushes without end are not free.
inline constexpr std::int64_t per_request = 100;
constexpr std::int64_t cost_of(const ringctl::Request& request, Unit unit) {
    switch (unit) {
    case Unit::bytes:
        return request.bytes != 0 ? request.bytes : counted_bytes;
    case Unit::requests:
        return per_request * request.parts;
    case Unit::device_time:
        break;
    }
    return request.estimate.count();
}

// The same for parameters: a microsecond, a KiB, or a hundredth of a request, so that one default serves all.
constexpr std::int64_t coarse(Unit unit) {
    return unit == Unit::device_time ? 1'000 : unit == Unit::bytes ? 1'024 : 1;
}

// What a request cost more than it was counted for when it was chosen; only device time is an estimate.
constexpr std::int64_t surcharge(const ringctl::Request& request, Nanos service, Unit unit) {
    return unit == Unit::device_time ? service.count() - cost_of(request, unit) : 0;
}

// Virtual time that passes for a domain of weight 1 by one unit of cost.
inline constexpr std::int64_t virtual_unit = 65'536;

// Domains with something queued, in turn.
template<class D>
class Turns {
  public:
    // True if the domain had nothing queued before.
    bool push(D& domain, Request& request) {
        domain.queue.push_back(request);
        if (domain.waits())
            return false;
        turns_.push_back(domain);
        return true;
    }
    // Takes a request out, wherever it is.
    void remove(Request& request) {
        D& domain = static_cast<D&>(domain_of(request));
        domain.queue.erase(domain.queue.iterator_to(request));
        if (domain.queue.empty())
            turns_.erase(turns_.iterator_to(domain));
    }
    [[nodiscard]] bool empty() const { return turns_.empty(); }
    [[nodiscard]] std::size_t size() const { return turns_.size(); }
    [[nodiscard]] D& first() { return static_cast<D&>(turns_.front()); }
    void rotate() { turns_.splice(turns_.end(), turns_, turns_.begin()); }
    template<class Visit>
    void for_each(Visit&& visit) {
        for (Domain& each : turns_)
            visit(static_cast<D&>(each));
    }
    // The first domain, in turn, that comes before all others in the order `before`; nullptr if none `may`.
    template<class May, class Before>
    [[nodiscard]] D* least(May&& may, Before&& before) {
        D* best = nullptr;
        for (Domain& each : turns_) {
            D& domain = static_cast<D&>(each);
            if (may(domain) && (best == nullptr || before(domain, *best)))
                best = &domain;
        }
        return best;
    }

  private:
    intrusive::list<Domain> turns_;
};

} // namespace bulkhead::ringctl::flows
