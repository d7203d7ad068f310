// A policy plug-in's file, read without running any of it: segments are copied into a buffer, relative
// relocations applied there, and the descriptor followed with every pointer checked. A hostile file yields an
// error, never a fault.
#pragma once

#include "abi/plugin.hpp"

#include <expected>
#include <span>
#include <string>
#include <vector>

namespace bulkhead::python {

struct ParameterText {
    std::string name, unit, help;
    std::int64_t initial, least, most;
};

struct PluginText {
    plugin::Kind kind;
    std::string name, summary, good_at, bad_at, source;
    std::vector<ParameterText> parameters, domain_parameters;
    std::uint32_t traits;
};

// The descriptor's contents, or one line that says why this is no plug-in for this Bulkhead and what to do.
[[nodiscard]] std::expected<PluginText, std::string> read_plugin(std::span<const std::byte> file);

} // namespace bulkhead::python
