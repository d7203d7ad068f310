// Moves bytes between a guest's xenstore ring and its Connection. The ring is the guest's memory: every index
// is read once and checked, and our own indexes are never read back.
#pragma once

#include "guest/dom0/xenstore/server.hpp"

namespace bulkhead::xenstore {

struct Progress {
    bool notify = false; // the ring changed: signal the guest
    bool more = false;   // there is work left that the bound on one turn did not allow
};

// Says what this server can do. Called once, before the guest runs.
void open_ring(xenstore_domain_interface& ring);

// One turn, due when the guest signals, when a turn left work over, and when the connection was `told`:
// sends, reads and answers at most `requests_per_turn` requests, and none once the turn has cost
// `steps_per_turn`. A ring that breaks the protocol is marked and not served again.
inline constexpr unsigned requests_per_turn = 4;
inline constexpr std::uint64_t steps_per_turn = 64;
[[nodiscard]] Progress serve(Server& server, Connection& connection, xenstore_domain_interface& ring);

} // namespace bulkhead::xenstore
