// The guest's own memory: which frames it has, where they are mapped, and a page allocator over the free
// ones. Every frame of the guest is mapped read-write in the direct map, except page tables, which are mapped
// read-only there.
#pragma once

#include "abi/types.hpp"
#include "guest/runtime/result.hpp"
#include "guest/runtime/width.hpp"

#include <cstddef>
#include <optional>
#include <span>

namespace bulkhead::guest {

struct alignas(page_bytes) Page {
    std::byte bytes[page_bytes];
};

[[nodiscard]] std::uint64_t page_count(); // frames the builder gave
[[nodiscard]] Mfn machine_frame(Pfn pfn);
[[nodiscard]] std::optional<Pfn>
own_frame(Mfn mfn);                            // through the machine-to-physical table; nothing if not ours
[[nodiscard]] Page* direct(Pfn pfn);           // its place in the direct map
[[nodiscard]] Pfn pfn_of(const void* address); // of an address in the direct map or in the kernel image
[[nodiscard]] inline Mfn mfn_of(const void* address) { return machine_frame(pfn_of(address)); }
// Tells the physical-to-machine list that another frame (or none, Mfn{~0}) now backs `pfn`. Changes no
// mapping.
void set_machine_frame(Pfn pfn, Mfn mfn);

// `count` zeroed contiguous pages of the direct map (contiguous in pfn and address, not in machine frames).
[[nodiscard]] Page* allocate_pages(std::size_t count = 1);
void free_pages(Page* first, std::size_t count = 1);
[[nodiscard]] std::size_t free_page_count();

} // namespace bulkhead::guest
