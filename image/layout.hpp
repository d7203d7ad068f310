// Plans a PV domain's first memory: which pseudo-physical frame holds what, and what the first address
// space maps, as <xen/xen.h> states under "Start-of-day memory layout". Pure arithmetic: it touches no memory
// of the domain.
#pragma once

#include "image/addresses.hpp"
#include "image/kernel.hpp"
#include "image/tables.hpp"

namespace bulkhead::image {

// What the builder brings beside the kernel.
struct Request {
    std::uint64_t pages = 0;        // all of the domain's memory
    std::uint64_t initrd_bytes = 0; // 0 for none
    bool rings = false;             // reserve a xenstore and a console page: every domain but domain 0
    bool initrd_mapped = false;     // map the initrd even if the kernel could do without
};

struct Layout {
    bool pae = false;  // a 32-bit guest
    GuestAddress base; // pseudo-physical frame 0 in the first address space
    std::uint64_t pages = 0;
    std::uint64_t mapped_pages = 0; // frames 0 .. mapped_pages - 1 are mapped one after the other from `base`
    Frames kernel;
    Frames initrd; // empty without one
    std::uint64_t initrd_bytes = 0;
    bool initrd_mapped = false;
    Frames p2m; // the list itself
    GuestAddress p2m_address;
    bool p2m_apart = false; // at the address the kernel asked for, in frames outside of the mapped region
    Frames start_info;
    Frames store; // empty without rings
    Frames console;
    Frames stack;
    TableSet tables;               // of the mapped region, root first
    TableSet p2m_tables;           // of a list that is apart; empty otherwise
    std::uint64_t frames_used = 0; // frames from 0 on that hold anything or are mapped

    [[nodiscard]] std::uint64_t p2m_word() const { return pae ? 4 : 8; } // bytes of an entry of the list
    [[nodiscard]] Pfn root() const { return tables.frames.first; }
    [[nodiscard]] GuestAddress address(Pfn pfn) const {
        return GuestAddress{base.value() + pfn.value() * page_bytes};
    }
    [[nodiscard]] GuestAddress stack_top() const { return address(stack.end()); }
    [[nodiscard]] std::uint64_t table_count() const { return tables.frames.count + p2m_tables.frames.count; }
    [[nodiscard]] Pfn table(std::uint64_t index) const; // index below table_count(); 0 is the root
    // A table frame stays read-only in every mapping.
    [[nodiscard]] bool is_table(Pfn pfn) const {
        return tables.frames.has(pfn) || p2m_tables.frames.has(pfn);
    }
};

struct LayoutError {
    Error error;
    std::uint64_t needed_pages = 0; // for Error::too_little_memory
};

[[nodiscard]] std::expected<Layout, LayoutError> plan(const Kernel& kernel, const Request& request);

} // namespace bulkhead::image
