// The page that a pinger and a responder share, and how they find each other through xenstore.
//
// The pinger lends the page and opens a port, then writes below /local/domain/<its id>/data/link/<responder's
// id>: first `ref` (grant reference), then `port`. The responder polls for `port`, maps, binds, sets
// `responder_ready` and signals. Each side writes only its own indices; an index counts messages for ever and
// is taken modulo the ring's size.
#pragma once

#include "guest/runtime/grants.hpp"
#include "guest/runtime/memory.hpp"
#include "workloads/workload.hpp"

#include <array>
#include <cstdint>

namespace bulkhead::workload {

struct Message {
    std::uint64_t sequence;
    // The sender's guest time, ns: of a request when it was due, of a reply when its request was seen.
    std::int64_t time;
};

struct Link {
    static constexpr std::uint32_t slots = 64;

    std::uint32_t responder_ready;
    std::uint32_t closed;         // by the pinger: no more requests will come
    std::uint32_t requests_made;  // pinger
    std::uint32_t requests_taken; // responder
    std::uint32_t replies_made;   // responder
    std::uint32_t replies_taken;  // pinger
    Message requests[slots];
    Message replies[slots];
};
static_assert(sizeof(Link) <= page_bytes);

[[nodiscard]] inline std::uint32_t load(const std::uint32_t& index) {
    return __atomic_load_n(&index, __ATOMIC_ACQUIRE);
}
inline void store(std::uint32_t& index, std::uint32_t value) {
    __atomic_store_n(&index, value, __ATOMIC_RELEASE);
}

struct Connection {
    Link* link;
    Port port;
};

// The domain called `peer`, waited for until it exists. Panics without a xenstore.
[[nodiscard]] DomainId await_peer(std::string_view peer);
// Both wait for the other side; panic with a reason if a step is refused.
[[nodiscard]] Connection offer_link(DomainId peer);
[[nodiscard]] Connection accept_link(DomainId peer);

} // namespace bulkhead::workload
