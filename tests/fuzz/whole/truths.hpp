// What holds whenever no pCPU is in the middle of something, besides what the audits check.
#pragma once

#include <cstdint>
#include <string>

namespace bulkhead::hv::whole {

// Empty if no vCPU waits although it has work, and every pCPU's timer is set for what is due there first.
[[nodiscard]] std::string lost_wake_up();
// Empty if both ends of every connection exist and name each other, and no port waits for a dead domain.
[[nodiscard]] std::string broken_port();
// No guest is connected to a disk or to the switch.
[[nodiscard]] bool are_all_seats_free();
// Empty if no id that a domain had at the last call is another domain's now, and none comes back. `forget`
// begins anew.
[[nodiscard]] std::string reused_id();
void forget_ids();

} // namespace bulkhead::hv::whole
