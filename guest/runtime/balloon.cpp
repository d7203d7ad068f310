// XENMEM_populate_physmap and XENMEM_decrease_reservation, frame by frame or by extents of 2 MiB.
#include "guest/runtime/balloon.hpp"

#include "guest/runtime/hypercall.hpp"
#include "guest/runtime/memory.hpp"
#include "guest/runtime/print.hpp"
#include "guest/runtime/xenstore.hpp"

namespace bulkhead::guest::balloon {
namespace {

constinit std::uint64_t taken = 0;
constexpr unsigned extent_order = 9;
constexpr std::size_t extent_frames = 1U << extent_order;

bool reserve(unsigned command, std::span<xen_pfn_t> extents, unsigned order = 0) {
    xen_memory_reservation request{};
    request.extent_start.p = extents.data();
    request.nr_extents = extents.size();
    request.extent_order = order;
    request.domid = DOMID_SELF;
    return hypercall::memory_op(command, &request).value_or(0) == static_cast<std::int64_t>(extents.size());
}

std::uint64_t frames_at(std::string_view path) {
    const auto kib = xenstore::read_number(path);
    return kib ? *kib * 1024 / page_bytes : page_count();
}

} // namespace

std::optional<Mfn> take() {
    xen_pfn_t extent = page_count() + taken;
    if (!reserve(XENMEM_populate_physmap, {&extent, 1}))
        return std::nullopt;
    ++taken;
    return Mfn{extent};
}

void give_back(Mfn frame) {
    xen_pfn_t extent = frame.value();
    if (!reserve(XENMEM_decrease_reservation, {&extent, 1}))
        panic("frame {} cannot be given back", extent);
    --taken;
}

std::optional<Mfn> take_extent() {
    xen_pfn_t extent = page_count() + taken;
    if (!reserve(XENMEM_populate_physmap, {&extent, 1}, extent_order))
        return std::nullopt;
    taken += extent_frames;
    return Mfn{extent};
}

void give_extent_back(Mfn first) {
    static constinit xen_pfn_t frames[extent_frames] = {};
    for (std::size_t i = 0; i < extent_frames; ++i)
        frames[i] = static_cast<xen_pfn_t>(first.value() + i);
    if (!reserve(XENMEM_decrease_reservation, frames))
        panic("extent {} cannot be given back", first.value());
    taken -= extent_frames;
}

std::uint64_t frames() { return page_count() + taken; }

std::uint64_t target() {
    static constinit std::uint64_t known = 0;
    if (known == 0)
        static_cast<void>(xenstore::watch("memory/target")); // which fires at once
    if (xenstore::changed() || known == 0)
        known = frames_at("memory/target");
    return known;
}

std::uint64_t most_frames() { return frames_at("memory/static-max"); }

} // namespace bulkhead::guest::balloon
