// See kernel.hpp.
#include "image/kernel.hpp"

#include "image/addresses.hpp"

#include <algorithm>
#include <xen/features.h>

namespace bulkhead::image {
namespace {

constexpr std::uint64_t impossible_features = (std::uint64_t{1} << XENFEAT_auto_translated_physmap) |
                                              (std::uint64_t{1} << XENFEAT_supervisor_mode_kernel);

std::expected<void, Error> check_wishes(const Notes& notes) {
    if (!notes.found)
        return std::unexpected(Error::not_xen);
    if (!notes.entry && notes.phys32_entry)
        return std::unexpected(Error::pvh_only);
    if (!notes.loader.empty() && notes.loader != "generic")
        return std::unexpected(Error::other_loader);
    if (!notes.xen_version.empty() && notes.xen_version != "xen-3.0" && notes.xen_version != "3.0")
        return std::unexpected(Error::other_version);
    if (notes.required_features & impossible_features)
        return std::unexpected(Error::impossible_feature);
    return {};
}

// `paddr_offset` is what the file's physical addresses carry on top of the pseudo-physical ones.
std::expected<Segment, Error> read_segment(const Elf& elf, const Elf64_Phdr& header,
                                           std::uint64_t paddr_offset) {
    const auto contents = elf.contents(header);
    if (!contents)
        return std::unexpected(Error::truncated);
    const std::uint64_t place = header.p_paddr - paddr_offset;
    if (header.p_filesz > header.p_memsz || header.p_paddr < paddr_offset || place >= max_domain_bytes ||
        header.p_memsz > max_domain_bytes - place)
        return std::unexpected(Error::bad_segment);
    return Segment{.place = place, .contents = *contents, .memory_bytes = header.p_memsz};
}

std::expected<void, Error> read_segments(Kernel& kernel, const Elf& elf, std::uint64_t paddr_offset) {
    kernel.begin = max_domain_bytes;
    for (unsigned i = 0; i < elf.program_headers(); ++i) {
        const auto header = elf.program_header(i);
        if (header.p_type != PT_LOAD || header.p_memsz == 0)
            continue;
        if (kernel.segment_count == max_segments)
            return std::unexpected(Error::too_many_segments);
        const auto segment = read_segment(elf, header, paddr_offset);
        if (!segment)
            return std::unexpected(segment.error());
        kernel.segments[kernel.segment_count++] = *segment;
        kernel.begin = std::min(kernel.begin, round_down(segment->place, page_bytes));
        kernel.end = std::max(kernel.end, round_up(segment->place + segment->memory_bytes, page_bytes));
    }
    return kernel.segment_count ? std::expected<void, Error>{} : std::unexpected(Error::no_segments);
}

bool inside(const Kernel& kernel, std::uint64_t address, std::uint64_t bytes) {
    const std::uint64_t place = address - kernel.base.value();
    return address >= kernel.base.value() && place >= kernel.begin && place < kernel.end &&
           bytes <= kernel.end - place;
}

// The older text gives a page number from the image's base, the note an address.
std::uint64_t hypercall_page_address(const Kernel& kernel, std::uint64_t noted) {
    return kernel.notes.legacy ? kernel.base.value() + noted * page_bytes : noted;
}

std::expected<void, Error> place_addresses(Kernel& kernel, std::uint64_t file_entry) {
    const Notes& notes = kernel.notes;
    kernel.base = GuestAddress{notes.virt_base.value_or(0)};
    if (kernel.base.value() % page_bytes != 0 || !guest_may_map(kernel.base.value(), kernel.end, kernel.pae))
        return std::unexpected(Error::bad_addresses);
    const auto entry = notes.entry.value_or(file_entry);
    if (!inside(kernel, entry, 1))
        return std::unexpected(Error::bad_entry);
    kernel.entry = GuestAddress{entry};
    if (notes.hypercall_page) {
        const auto page = hypercall_page_address(kernel, *notes.hypercall_page);
        if (page % page_bytes != 0 || !inside(kernel, page, page_bytes))
            return std::unexpected(Error::bad_hypercall_page);
        kernel.hypercall_page = GuestAddress{page};
    }
    if (notes.init_p2m && !kernel.pae) {
        if (*notes.init_p2m % page_bytes != 0)
            return std::unexpected(Error::bad_p2m_address);
        kernel.init_p2m = GuestAddress{*notes.init_p2m};
    }
    return {};
}

} // namespace

std::expected<Kernel, Error> read_kernel(Bytes file) {
    const auto elf = Elf::open(file);
    if (!elf)
        return std::unexpected(elf.error());
    const auto notes = read_notes(*elf);
    if (!notes)
        return std::unexpected(notes.error());
    if (const auto fine = check_wishes(*notes); !fine)
        return std::unexpected(fine.error());
    if (elf->is_32_bit() && notes->pae == "no")
        return std::unexpected(Error::no_pae);
    Kernel kernel;
    kernel.notes = *notes;
    kernel.pae = elf->is_32_bit();
    const std::uint64_t default_offset = notes->legacy ? notes->virt_base.value_or(0) : 0;
    if (const auto done = read_segments(kernel, *elf, notes->paddr_offset.value_or(default_offset)); !done)
        return std::unexpected(done.error());
    if (const auto done = place_addresses(kernel, elf->entry()); !done)
        return std::unexpected(done.error());
    return kernel;
}

} // namespace bulkhead::image
