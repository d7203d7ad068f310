// What the ring policy's host keeps of a device's rings, their requests, and the domains that own them. The
// world's own types have these as members, a ring's named `queue` and a domain's named `io`; the host writes
// them, under the device's lock, and the world and the device read them.
#pragma once

#include "host/changed_values.hpp"
#include "ringctl/contract.hpp"

#include <algorithm>
#include <bit>
#include <boost/intrusive/list.hpp>

namespace bulkhead::host {

struct RingState;

// Read once from the guest's memory and checked by the world.
struct RequestFields {
    std::uint64_t number = 0; // in the order in which the device's requests came
    std::uint64_t sector = 0;
    std::uint32_t bytes = 0; // that it moves
    ringctl::Operation operation{};
    RealTime arrived{};
    Nanos estimate{};
    std::uint32_t tag = 0;   // the world's own
    std::uint32_t parts = 1; // requests that the device counts it as
    // Written when the device takes it: how long it was queued, and how much of that the device had room.
    Nanos waited{}, throttled{};
    // Where it ends, and the next one of a stream begins.
    [[nodiscard]] std::uint64_t end() const {
        return sector + (bytes + ringctl::sector_bytes - 1) / ringctl::sector_bytes;
    }
};

// A place of a ring, for one request at a time.
struct Request : RequestFields {
    enum class State : std::uint8_t { unused, queued, in_service };
    State state = State::unused;
    bool known = false;      // the active policy chose it, and is to hear of its end
    std::uint32_t index = 0; // its number in the policy's pool
    Nanos held_before{};     // RingHost::held when it was queued
    RingState* ring = nullptr;
    boost::intrusive::list_member_hook<> order; // among the queued ones, or those in service
};

struct RingDomainState {
    // Written by the world before the domain's first ring is opened. Of these only the weight changes later,
    // and what was changed.
    std::uint32_t slot = 0; // its number in the policy's pool
    std::uint32_t weight = ringctl::default_weight;
    bool has_values = false; // of its parameters, else the policy's defaults
    std::int64_t values[plugin::max_domain_parameters] = {};
    ChangedValues changed;

    // Written by the host.
    ringctl::Domain* policy = nullptr; // the active policy's part; nullptr before its first ring
    DomainId id;
    std::uint32_t rings = 0;      // open ones
    std::uint32_t queued = 0;     // requests
    std::uint64_t waits_from = 0; // the next request's number when it was served last, or began to wait
    Nanos overtaken{};            // of the device's time, given since to requests from there on
    boost::intrusive::list_member_hook<> order; // in the list of domains
};

struct RingState {
    std::uint32_t number = 0; // set by the world: of the device's rings, and its place in the policy's pool

    // Written by the host.
    ringctl::Ring* policy = nullptr; // the active policy's part; nullptr while not open
    RingDomainState* domain = nullptr;
    std::uint32_t used = 0;    // requests, queued or in service
    std::uint64_t places = 0;  // bit n: place n of `requests` is used
    std::uint64_t ends_at = 0; // where the stream of its requests would go on
    Request requests[ringctl::most_queued];
    boost::intrusive::list_member_hook<> order; // in the list of open rings

    [[nodiscard]] bool has_room() const { return used < ringctl::most_queued; }
    // Whether a queued request would come before one that it has to stay behind (contract: order).
    [[nodiscard, gnu::noinline, gnu::cold]] bool overtakes(const Request& request) const {
        const auto has_to_wait_for = [&request](const Request& other) {
            return other.state == Request::State::queued && other.number < request.number &&
                   (other.operation == ringctl::Operation::barrier ||
                    request.operation == ringctl::Operation::barrier ||
                    (request.operation == ringctl::Operation::flush && ringctl::alters(other.operation)));
        };
        return std::any_of(requests, requests + ringctl::most_queued, has_to_wait_for);
    }
    // The lowest place that is free; there is room.
    [[nodiscard]] std::uint32_t free_place() const {
        return static_cast<std::uint32_t>(std::countr_one(places));
    }
    void take_place(const Request& request) { change_place(request, 1); }
    void leave_place(const Request& request) { change_place(request, -1); }

  private:
    void change_place(const Request& request, int by) {
        places ^= std::uint64_t{1} << request.index % ringctl::most_queued;
        used += static_cast<std::uint32_t>(by);
    }
};

} // namespace bulkhead::host
