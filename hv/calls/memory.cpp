#include "hv/calls/memory.hpp"

#include "abi/pae.hpp"
#include "hv/calls/reservation.hpp"
#include "hv/mm/pae.hpp"
#include "hv/mm/pae_m2p.hpp"
#include "hv/mm/paging.hpp"
#include "hv/mm/types.hpp"

#include <algorithm>

extern "C" {
#include <xen/arch-x86/xen-x86_64.h>
}

namespace bulkhead::hv {

namespace {

constexpr unsigned command_bits = 6;
constexpr std::uint64_t command_mask = (1 << command_bits) - 1;

template<class Word>
GuestPtr<Word> list_of(const xen_memory_reservation_t& request) {
    return GuestPtr<Word>{reinterpret_cast<std::uint64_t>(request.extent_start.p)};
}
template<class Word>
GuestPtr<Word> list_of(const pae_abi::MemoryReservation& request) {
    return GuestPtr<Word>{request.extent_start};
}

// `Request` is the structure in the guest's width, `Word` an element of its list.
template<class Request, class Word>
HypercallResult change_reservation(const MemoryOp& call, HypercallContext& context) {
    const GuestPtr<const Request> argument{call.argument};
    const auto request = argument.read();
    const auto start = call.command >> command_bits;
    if (!request)
        return static_cast<std::int64_t>(start);
    if (request->nr_extents > (~std::uint64_t{0} >> command_bits) || start > request->nr_extents)
        return static_cast<std::int64_t>(start);
    const auto owner = resolve_domain(context.domain, request->domid);
    if (!owner)
        return static_cast<std::int64_t>(start);
    const auto command = call.command & command_mask;
    BasicReservation<Word> reservation{**owner, list_of<Word>(*request), request->nr_extents,
                                       request->extent_order, start};
    const auto outcome = command == XENMEM_populate_physmap       ? reservation.populate()
                         : command == XENMEM_increase_reservation ? reservation.increase()
                                                                  : reservation.decrease();
    if (!outcome && outcome.error() == Error::restart) {
        context.arguments[0] = command | reservation.done() << command_bits;
        return fail(Error::restart);
    }
    return static_cast<std::int64_t>(reservation.done()); // a failure shows as fewer extents than asked for
}

HypercallResult report_reservation(const MemoryOp& call, HypercallContext& context) {
    const auto request = GuestPtr<const xen_memory_domain>{call.argument}.read();
    BULKHEAD_TRY(request);
    const auto owner = resolve_domain(context.domain, request->domid);
    BULKHEAD_TRY(owner);
    const bool current = (call.command & command_mask) == XENMEM_current_reservation;
    return static_cast<std::int64_t>(current ? (*owner)->memory.frames.count : (*owner)->memory.max_frames);
}

HypercallResult report_machphys(const MemoryOp& call) {
    const xen_machphys_mapping_t mapping{
        .v_start = MACH2PHYS_VIRT_START, .v_end = MACH2PHYS_VIRT_END, .max_mfn = frame_table().size() - 1};
    BULKHEAD_TRY(GuestPtr<xen_machphys_mapping_t>{call.argument}.write(mapping));
    return 0;
}
HypercallResult report_pae_machphys(const MemoryOp& call) {
    constexpr std::uint64_t most = (pae::m2p_end - pae::hole) / sizeof(std::uint32_t);
    const pae_abi::MachphysMapping mapping{
        .v_start = pae::hole,
        .v_end = pae::m2p_end,
        .max_mfn = static_cast<std::uint32_t>(std::min(frame_table().size(), most) - 1)};
    BULKHEAD_TRY(GuestPtr<pae_abi::MachphysMapping>{call.argument}.write(mapping));
    return 0;
}

// As in the e820 table of a PC: one range of RAM, the guest's pseudo-physical memory up to its reservation's
// limit.
struct [[gnu::packed]] MemoryRange {
    std::uint64_t start, bytes;
    std::uint32_t type;
};
static_assert(sizeof(MemoryRange) == 20);
constexpr std::uint32_t type_ram = 1;

std::uint64_t buffer_of(const xen_memory_map_t& map) { return reinterpret_cast<std::uint64_t>(map.buffer.p); }
std::uint64_t buffer_of(const pae_abi::MemoryMap& map) { return map.buffer; }

// `Map` is the structure in the guest's width.
template<class Map>
HypercallResult report_memory_map(const MemoryOp& call, HypercallContext& context) {
    const GuestPtr<Map> argument{call.argument};
    auto map = argument.read();
    BULKHEAD_TRY(map);
    if (map->nr_entries < 1)
        return fail(Error::invalid);
    const GuestPtr<MemoryRange> buffer{buffer_of(*map)};
    BULKHEAD_TRY(buffer.write({0, context.domain.memory.max_frames * page_bytes, type_ram}));
    map->nr_entries = 1;
    BULKHEAD_TRY(argument.write(*map));
    return 0;
}

} // namespace

HypercallResult MemoryOp::run(HypercallContext& context) const {
    switch (command & command_mask) {
    case XENMEM_increase_reservation:
    case XENMEM_decrease_reservation:
    case XENMEM_populate_physmap:
        return change_reservation<xen_memory_reservation_t, std::uint64_t>(*this, context);
    case XENMEM_exchange:
        return exchange_frames(command >> command_bits, argument, context);
    case XENMEM_maximum_ram_page:
        return static_cast<std::int64_t>(frame_table().size() - 1);
    case XENMEM_current_reservation:
    case XENMEM_maximum_reservation:
        return report_reservation(*this, context);
    case XENMEM_machphys_mapping:
        return report_machphys(*this);
    case XENMEM_memory_map:
        return report_memory_map<xen_memory_map_t>(*this, context);
    default:
        return fail(Error::not_implemented); // among them what only translated guests have
    }
}

HypercallResult PaeMemoryOp::run(HypercallContext& context) const {
    // The start extent has 26 bits of the command; a list that needs more is refused.
    const MemoryOp call{command, argument};
    switch (command & command_mask) {
    case XENMEM_increase_reservation:
    case XENMEM_decrease_reservation:
    case XENMEM_populate_physmap:
        return change_reservation<pae_abi::MemoryReservation, std::uint32_t>(call, context);
    case XENMEM_maximum_ram_page:
        return static_cast<std::int64_t>(frame_table().size() - 1);
    case XENMEM_current_reservation:
    case XENMEM_maximum_reservation:
        return report_reservation(call, context);
    case XENMEM_machphys_mapping:
        return report_pae_machphys(call);
    case XENMEM_memory_map:
        return report_memory_map<pae_abi::MemoryMap>(call, context);
    case XENMEM_exchange:
        return exchange_pae_frames(command >> command_bits, argument, context);
    default:
        return fail(Error::not_implemented);
    }
}

} // namespace bulkhead::hv
