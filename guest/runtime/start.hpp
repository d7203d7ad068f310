// What the domain builder left for this guest, and the function that every guest program must define.
#pragma once

#include "abi/types.hpp"

#include <optional>
#include <span>
#include <string_view>
#include <xen/xen.h>

namespace bulkhead::guest {

// Each program on the runtime defines this. Traps, the whole of memory, events, time, console and (where
// there is one) xenstore work when it is called. If it returns, the guest powers off.
void guest_main();

[[nodiscard]] const start_info& start();
[[nodiscard]] shared_info& shared();           // mapped shared-info page
[[nodiscard]] std::string_view command_line(); // without a terminating zero
[[nodiscard]] std::span<const std::byte>
module(); // the initrd / manifest; empty if none. Always mapped, read-write frames
[[nodiscard]] bool is_control_domain();              // SIF_PRIVILEGED
[[nodiscard]] bool has_xenstore();                   // start_info names a ring page
[[nodiscard]] bool on_bulkhead();                    // extraversion contains "-bulkhead"
[[nodiscard]] std::string_view hypervisor_version(); // "4.17-bulkhead"

} // namespace bulkhead::guest
