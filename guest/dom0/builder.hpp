// Makes a paused domain out of a guest of the manifest: memory, kernel, first address space, rings, first
// vCPU.
#pragma once

#include "guest/dom0/manifest_view.hpp"
#include "guest/runtime/result.hpp"

#include <optional>

namespace bulkhead::dom0 {

struct Built {
    DomainId id;
    Mfn store_frame;
    Mfn console_frame;
    Port console_port; // the guest's
    Port store_port;   // the guest's
    Port store_peer;   // our end
};

// The message for the user that asked for the guest.
struct BuildFault {
    std::string_view message;
    std::uint64_t needed_bytes = 0;         // of memory, if that is the trouble
    std::optional<guest::Error> cause = {}; // of a call that should have worked
};

// On failure nothing of the domain remains.
[[nodiscard]] std::expected<Built, BuildFault> build(const Manifest& manifest, const manifest::Guest& guest);

} // namespace bulkhead::dom0
