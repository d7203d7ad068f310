// XENMEM_populate_physmap and XENMEM_decrease_reservation, frame by frame.
#include "guest/runtime/balloon.hpp"

#include "guest/runtime/hypercall.hpp"
#include "guest/runtime/memory.hpp"
#include "guest/runtime/print.hpp"
#include "guest/runtime/xenstore.hpp"

namespace bulkhead::guest::balloon {
namespace {

constinit std::uint64_t taken = 0;

bool reserve(unsigned command, xen_pfn_t& extent) {
    xen_memory_reservation request{};
    request.extent_start.p = &extent;
    request.nr_extents = 1;
    request.domid = DOMID_SELF;
    return hypercall::memory_op(command, &request).value_or(0) == 1;
}

std::uint64_t frames_at(std::string_view path) {
    const auto kib = xenstore::read_number(path);
    return kib ? *kib * 1024 / page_bytes : page_count();
}

} // namespace

std::optional<Mfn> take() {
    xen_pfn_t extent = page_count() + taken;
    if (!reserve(XENMEM_populate_physmap, extent))
        return std::nullopt;
    ++taken;
    return Mfn{extent};
}

void give_back(Mfn frame) {
    xen_pfn_t extent = frame.value();
    if (!reserve(XENMEM_decrease_reservation, extent))
        panic("frame {} cannot be given back", extent);
    --taken;
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
