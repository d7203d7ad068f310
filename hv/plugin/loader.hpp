// Places a policy's shared object in the hypervisor's address space, once plugin/file has judged it.
#pragma once

#include "abi/plugin.hpp"
#include "hv/plugin/guard.hpp"
#include "plugin/file.hpp"

#include <cstddef>
#include <expected>
#include <span>

namespace bulkhead::hv {

struct LoadedPlugin {
    const plugin::Descriptor* descriptor;
    PluginRanges ranges;
};

// Maps the object's segments, code read-only and executable, the rest read-only, and relocates it. Panics if
// memory is short.
[[nodiscard]] std::expected<LoadedPlugin, plugin::Refusal> load_plugin(std::span<const std::byte> file,
                                                                       plugin::Kind kind);

} // namespace bulkhead::hv
