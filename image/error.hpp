// Why an image cannot become a domain, and the one line for the user that gave it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace bulkhead::image {

enum class Error : std::uint8_t {
    not_elf,
    compressed,
    boot_wrapper,
    not_x86,
    not_executable,
    truncated,
    too_many_segments,
    bad_segment,
    no_segments,
    not_xen,
    pvh_only,
    bad_note,
    other_loader,
    other_version,
    impossible_feature,
    bad_addresses,
    bad_entry,
    bad_hypercall_page,
    bad_p2m_address,
    no_pae,
    long_command_line,
    too_much_memory,
    too_little_memory,
};

inline constexpr std::array<std::string_view, static_cast<std::size_t>(Error::too_little_memory) + 1>
    messages{
        "the kernel is not an ELF file; give the ELF image of a Xen PV kernel",
        "the kernel is still compressed; give the ELF file that is inside",
        "the kernel is a bzImage; give the ELF file that is inside",
        "the kernel is made neither for x86-64 nor, with PAE, for 32-bit x86",
        "the kernel is no executable ELF file; give a linked kernel, not an object file or a library",
        "the kernel is cut short: its headers point behind the end of the file",
        "the kernel has more loadable segments than a loader accepts",
        "the kernel has a segment whose size or address is impossible",
        "the kernel has nothing to load",
        "the kernel has no Xen notes, so it is no Xen PV kernel; Linux needs CONFIG_XEN_PV",
        "the kernel starts only in PVH mode; Linux needs CONFIG_XEN_PV to start as a PV guest",
        "the kernel has a Xen note that cannot be read",
        "the kernel asks for another loader than the generic one",
        "the kernel is made for another Xen interface than xen-3.0",
        "the kernel requires a Xen feature that a PV guest does not have",
        "the kernel wants an address range that it cannot have: not canonical, or the hypervisor's own",
        "the kernel's entry point is outside of its image",
        "the kernel's hypercall page is outside of its image",
        "the kernel wants its frame list at an address that is not free",
        "the kernel is a 32-bit one without PAE; only 32-bit kernels with PAE can start",
        "the command line is too long: 1023 bytes are the most",
        "the domain's memory is more than a domain can have",
        "the domain's memory is too little for its kernel and initrd",
    };

constexpr std::string_view message(Error error) { return messages[static_cast<std::size_t>(error)]; }

} // namespace bulkhead::image
