// What holds of every file that the reader accepts, however it came about: it can be placed, and what a host
// then follows stays inside.
#pragma once

#include "plugin/file.hpp"

#include <cstring>
#include <vector>

namespace bulkhead::test {

[[nodiscard]] inline bool lies_inside(image::Bytes file, std::string_view text) {
    return text.empty() ||
           (text.data() >= reinterpret_cast<const char*>(file.data()) &&
            text.data() + text.size() < reinterpret_cast<const char*>(file.data() + file.size()));
}

template<std::size_t most>
[[nodiscard]] bool rows_are_sound(image::Bytes bytes, const plugin::ParameterTexts<most>& rows) {
    for (const auto& row : rows.rows())
        if (row.name.empty() || row.unit.empty() || row.help.empty() || row.least > row.initial ||
            row.initial > row.most || !lies_inside(bytes, row.name) || !lies_inside(bytes, row.unit) ||
            !lies_inside(bytes, row.help))
            return false;
    return true;
}

// Places the policy as a loader would, at an address that no pointer can have by chance, and looks at it as a
// host does.
[[nodiscard]] inline bool is_placed_well(image::Bytes bytes, const plugin::File& file) {
    constexpr std::uint64_t base = 0x123456789000;
    const auto image_bytes = file.object.image_bytes();
    std::vector<std::uint64_t> memory(image_bytes / 8);
    file.object.place(std::as_writable_bytes(std::span{memory}), base);
    for (std::size_t i = 0; i < file.object.relocation_count(); ++i) {
        const auto [where, target] = file.object.relocation(i);
        if (target > image_bytes || memory.at(where / 8) != base + target)
            return false;
    }
    plugin::Descriptor placed{};
    std::memcpy(&placed, &memory.at(file.object.descriptor() / 8), sizeof placed);
    const auto name = reinterpret_cast<std::uint64_t>(placed.name) - base;
    const auto hooks = reinterpret_cast<std::uint64_t>(placed.hooks) - base;
    return placed.magic == plugin::magic && placed.kind == file.kind && name < image_bytes &&
           hooks < image_bytes && reinterpret_cast<const char*>(memory.data()) + name == file.name &&
           lies_inside(bytes, file.name) && lies_inside(bytes, file.summary) &&
           lies_inside(bytes, file.good_at) && lies_inside(bytes, file.bad_at) &&
           lies_inside(bytes, file.source) && placed.parameter_count == file.parameters.rows().size() &&
           rows_are_sound(bytes, file.parameters) && rows_are_sound(bytes, file.domain_parameters);
}

} // namespace bulkhead::test
