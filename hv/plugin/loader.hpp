// Places a policy's shared object in the hypervisor's address space. The file comes from the operator, but a
// wrong one must end in a sentence, not in a crash.
#pragma once

#include "abi/plugin.hpp"
#include "hv/plugin/guard.hpp"

#include <cstddef>
#include <expected>
#include <span>

namespace bulkhead::hv {

struct LoadedPlugin {
    const plugin::Descriptor* descriptor;
    TextRange text;
};

// Maps the object's segments (code read-only and executable, the rest not executable), relocates it, finds
// and checks its descriptor for `kind`. The error is a sentence that says what is wrong with the file.
[[nodiscard]] std::expected<LoadedPlugin, const char*> load_plugin(std::span<const std::byte> file,
                                                                   plugin::Kind kind);

} // namespace bulkhead::hv
