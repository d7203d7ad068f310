// The `__xen_guest` section: NAME=VALUE pairs joined by commas, the way kernels described themselves before
// ELF notes.
#pragma once

#include "image/notes.hpp"

namespace bulkhead::image {

// `found` stays false if the file has no such section.
[[nodiscard]] std::expected<Notes, Error> read_legacy_notes(const Elf& elf);

} // namespace bulkhead::image
