// The firmware's list of processors: the MADT of ACPI, found from the root pointer in the BIOS area.
#pragma once

#include <array>
#include <cstdint>

namespace bulkhead::hv {

struct ProcessorList {
    std::array<std::uint32_t, 256> apic_ids{}; // of usable processors, the running one first
    std::uint32_t count = 0;
};

// At least the running processor, whose APIC identifier is given. Reads the tables through the boot page
// tables, which map the first 4 GiB; a table that does not add up is not believed.
[[nodiscard]] ProcessorList find_processors(std::uint32_t running);

} // namespace bulkhead::hv
