// A checked Xen PV kernel: where its parts go in a domain's memory and where it wants to be mapped. Made from
// an untrusted file; once it exists, every address in it is consistent and its bytes are inside of the file.
#pragma once

#include "abi/types.hpp"
#include "image/notes.hpp"

namespace bulkhead::image {

// A piece of the file and its place, in bytes from the start of the domain's pseudo-physical memory.
struct Segment {
    std::uint64_t place;
    Bytes contents;
    std::uint64_t memory_bytes; // at least contents.size(); the rest is zero
};

inline constexpr std::size_t max_segments = 16;

struct Kernel {
    Notes notes;
    bool pae = false;  // a 32-bit kernel
    GuestAddress base; // where pseudo-physical address 0 is mapped
    GuestAddress entry;
    std::optional<GuestAddress> hypercall_page;
    std::optional<GuestAddress> init_p2m;
    std::uint64_t begin = 0; // pseudo-physical byte range of the image, page-aligned outwards
    std::uint64_t end = 0;
    std::array<Segment, max_segments> segments{};
    std::size_t segment_count = 0;

    [[nodiscard]] std::span<const Segment> loads() const { return {segments.data(), segment_count}; }
};

// The file must stay in place as long as the kernel is used.
[[nodiscard]] std::expected<Kernel, Error> read_kernel(Bytes file);

} // namespace bulkhead::image
