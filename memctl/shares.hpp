// The common part of memory policies that divide the machine: targets from a measure that rises until
// everything is given out, and frames from the zone that has most. It must never say what a domain deserves:
// that is the policies' difference.
#pragma once

#include "memctl/contract.hpp"

#include <algorithm>

namespace bulkhead::memctl::shares {

// The bounds of a domain's target. `most` is not below `least`.
struct Bounds {
    Frames least, most;
};

template<class D>
constexpr Bounds own_bounds(const D& domain) {
    return {domain.least, domain.most};
}

// If all domains ask for their upper bounds and get `claim(domain, level)`, which must rise with the level:
// the highest level at which that fits into `frames`, and its targets; what is left over goes to the first
// ones that may have more. `bounds(domain)` narrows what a target may be; the lower bounds must fit. Levels
// are below 2^40: bisection, 41 looks at each domain.
template<class D, class Claim, class Limits>
void fill(const Plan<D>& plan, Frames frames, Claim&& claim, Limits&& bounds) {
    const auto target_at = [&](std::size_t i, std::int64_t level) {
        const Bounds own = bounds(plan.domain(i));
        return std::clamp(claim(plan.domain(i), level), own.least, own.most);
    };
    const auto sum_at = [&](std::int64_t level) {
        Frames sum{};
        for (std::size_t i = 0; i < plan.size(); ++i)
            sum += target_at(i, level);
        return sum;
    };
    std::int64_t low = 0, high = std::int64_t{1} << 40; // fits, does not fit
    if (sum_at(high) <= frames)
        low = high;
    while (high - low > 1) {
        const std::int64_t middle = low + (high - low) / 2;
        (sum_at(middle) <= frames ? low : high) = middle;
    }
    Frames left = frames;
    for (std::size_t i = 0; i < plan.size(); ++i)
        left -= plan.target(i) = target_at(i, low);
    for (std::size_t i = 0; i < plan.size() && left > Frames{}; ++i) {
        const Frames more = std::min(left, bounds(plan.domain(i)).most - plan.target(i));
        plan.target(i) += more;
        left -= more;
    }
}

// What `fill_first_who_asks` keeps of each domain; a base of D.
struct Asking {
    Frames floor;       // of its target, once all that ask have enough
    std::uint32_t asks; // for so many rebalances more
};

// As `fill`, but frames that a domain does not ask for go to those that do. One that missed nothing in the
// last `asks_on` rebalances has enough: it gets at first no more than what it `needs(domain)` and some to
// grow by. What is left then is divided as usual.
template<class D, class Claim, class Limits, class Needs>
void fill_first_who_asks(const Plan<D>& plan, Frames frames, Claim&& claim, Limits&& bounds, Needs&& needs,
                         std::uint32_t asks_on) {
    for (std::size_t i = 0; i < plan.size(); ++i) {
        D& domain = plan.domain(i);
        domain.asks = domain.missed != 0 ? asks_on : domain.asks - std::min(domain.asks, 1U);
    }
    fill(plan, frames, claim, [&](const D& domain) {
        const Bounds own = bounds(domain);
        if (domain.asks != 0)
            return own;
        const Frames needed = needs(domain);
        const Frames grown = needed + Frames{needed.count() / 8 + 64};
        return Bounds{own.least, std::clamp(grown, own.least, own.most)};
    });
    for (std::size_t i = 0; i < plan.size(); ++i)
        plan.domain(i).floor = plan.target(i);
    fill(plan, frames, claim, [&](const D& domain) { return Bounds{domain.floor, bounds(domain).most}; });
}

// The claim of a domain that deserves by its weight alone.
template<class D>
constexpr Frames by_weight(const D& domain, std::int64_t level) {
    return Frames{(level * domain.weight) >> 16};
}

// From the zone with most free frames, so that all zones stay equally full.
inline Grant from_emptiest(std::span<const Zone> zones, Frames wanted) {
    const auto zone = std::ranges::max_element(zones, {}, &Zone::free);
    return zone == zones.end() || zone->free == Frames{} ? Grant::none()
                                                         : Grant{zone->id, std::min(zone->free, wanted)};
}

// What is left of the machine when every domain has the lower bound only: so much the next one may need at
// least.
template<class D, class Limits>
Frames unreserved(const Plan<D>& plan, Frames frames, Limits&& bounds) {
    for (std::size_t i = 0; i < plan.size(); ++i)
        frames -= bounds(plan.domain(i)).least;
    return frames;
}

} // namespace bulkhead::memctl::shares
