// What a kernel says about itself in Xen's ELF notes, or in the older `__xen_guest` text. Only reads and
// checks the form; whether the wishes can be granted is decided by kernel.cpp.
#pragma once

#include "image/elf.hpp"

namespace bulkhead::image {

struct Notes {
    bool found = false;  // any Xen note at all
    bool legacy = false; // they came from `__xen_guest`
    bool phys32_entry = false;
    bool mod_start_pfn = false; // takes its initrd by frame number, outside of the first mapping
    std::optional<std::uint64_t> entry;
    std::optional<std::uint64_t>
        hypercall_page; // virtual address; for legacy text a page number from the image's base
    std::optional<std::uint64_t> virt_base;
    std::optional<std::uint64_t> paddr_offset;
    std::optional<std::uint64_t> init_p2m;
    std::string_view guest_os;
    std::string_view guest_version;
    std::string_view xen_version;
    std::string_view loader;
    std::string_view pae; // of a 32-bit kernel: "yes", "no" and others; empty if it does not say
    std::uint64_t required_features = 0; // bits by XENFEAT_*
    std::uint64_t supported_features = 0;
};

// Notes in PT_NOTE segments win over SHT_NOTE sections, which win over `__xen_guest`.
[[nodiscard]] std::expected<Notes, Error> read_notes(const Elf& elf);

} // namespace bulkhead::image
