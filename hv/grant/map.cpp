// Mapping and unmapping. Each operation takes what it needs in one order (record, use count, reference,
// entry) and on any failure gives it back in the other.

#include "hv/grant/map.hpp"

#include "hv/domain/domain.hpp"
#include "hv/grant/leaf.hpp"
#include "hv/mm/entry.hpp"
#include "hv/mm/paging.hpp"
#include "hv/mm/types.hpp"

namespace bulkhead::hv {

namespace {

constexpr std::uint32_t known_flags = GNTMAP_device_map | GNTMAP_host_map | GNTMAP_readonly |
                                      GNTMAP_application_map | GNTMAP_contains_pte | GNTMAP_guest_avail_mask;

// XENFEAT_gnttab_map_avail_bits: three flags that the guest wants to find in the entry.
constexpr unsigned available_shift = 9;
constexpr std::uint64_t available_bits = std::uint64_t{7} << available_shift;
constexpr std::uint64_t no_execute = std::uint64_t{1} << 63;

[[nodiscard]] Result<> grow_maptrack(Domain& domain) {
    GrantTable& grants = domain.grants;
    if (grants.maptrack_pages == max_maptrack_frames)
        return fail(Error::no_memory);
    const auto page = domain.allocate_metadata();
    if (!page)
        return fail(page.error());
    const grant_handle_t first = handle_count(grants);
    grants.maptrack[grants.maptrack_pages++] = static_cast<MapRecord*>(*page);
    for (grant_handle_t handle = first + records_per_page - 1; handle > first; --handle)
        free_record(grants, handle);
    if (first != 0) // handle 0 is never given out
        free_record(grants, first);
    return {};
}

// The handle of a record that is the caller's now.
[[nodiscard]] GrantResult<grant_handle_t> take_record(Domain& domain) {
    GrantTable& grants = domain.grants;
    const LockGuard guard{grants.lock};
    if (grants.maptrack_free == 0)
        if (const auto grown = grow_maptrack(domain); !grown)
            return refuse(status_of(grown.error(), GrantStatus::no_space));
    const grant_handle_t handle = grants.maptrack_free;
    MapRecord& record = record_at(grants, handle);
    grants.maptrack_free = record.ref;
    record.state = MapRecord::State::busy;
    ++grants.mappings;
    return handle;
}

// A record that the caller has made busy is free again.
void return_record(Domain& domain, grant_handle_t handle) {
    const LockGuard guard{domain.grants.lock};
    --domain.grants.mappings;
    free_record(domain.grants, handle);
}

// The same, but it stands for a mapping (again).
void settle_record(Domain& domain, grant_handle_t handle, const MapRecord& contents) {
    const LockGuard guard{domain.grants.lock};
    record_at(domain.grants, handle) = contents;
}

// Makes the record of a mapping the caller's and answers what it said before.
[[nodiscard]] GrantResult<MapRecord> claim_record(Domain& domain, grant_handle_t handle) {
    const LockGuard guard{domain.grants.lock};
    MapRecord* record = find_record(domain.grants, handle);
    if (record == nullptr ||
        (record->state != MapRecord::State::mapped && record->state != MapRecord::State::cut_off))
        return refuse(GrantStatus::bad_handle);
    const MapRecord before = *record;
    record->state = MapRecord::State::busy;
    return before;
}

// The kernel of a 32-bit guest is not in its applications' ring: a page is theirs only if it says so.
[[nodiscard]] std::uint64_t reach(const Domain& borrower, std::uint32_t flags) {
    return borrower.pae && (flags & GNTMAP_application_map) == 0 ? 0 : entry::user;
}

[[nodiscard]] std::uint64_t entry_for(Mfn frame, GrantAccess access, std::uint32_t flags,
                                      std::uint64_t rights) {
    const std::uint64_t available =
        std::uint64_t{flags >> _GNTMAP_guest_avail0} << available_shift & available_bits;
    return frame.value() << page_shift | entry::present | rights | entry::accessed | no_execute | available |
           (access == GrantAccess::write ? entry::writable | entry::dirty : 0);
}

// A reference to a frame that is the lender's own data. Pages that the hypervisor lends are not.
[[nodiscard]] GrantStatus take_frame(Domain& lender, Mfn frame, GrantAccess access) {
    const bool writable = access == GrantAccess::write;
    const Frame* found = frame_table().find(frame);
    if (found == nullptr || found->shared)
        return GrantStatus::bad_page;
    if (const auto taken = get_data(frame, lender, writable); !taken)
        return status_of(taken.error(), GrantStatus::general_error);
    if (!found->shared) [[likely]] // and stays so while there is a reference
        return GrantStatus::okay;
    put_data(frame, writable);
    return GrantStatus::bad_page;
}

// The reference that the entry will own, then the entry.
[[nodiscard]] GrantStatus install(const LeafPlace& place, Domain& lender, Mfn frame, GrantAccess access,
                                  std::uint32_t flags) {
    if (const GrantStatus status = take_frame(lender, frame, access); status != GrantStatus::okay)
        return status;
    const Domain& borrower = *place.vcpu.domain;
    const auto entry = entry_for(frame, access, flags, reach(borrower, flags));
    const LockGuard tables{place.vcpu.domain->memory.tables};
    if (const auto written = write_place(place, entry); !written) {
        put_data(frame, access == GrantAccess::write);
        return status_of(written.error(), GrantStatus::general_error);
    }
    return GrantStatus::okay;
}

// A device may be told of the frame: it must be data, and no mapping is made.
[[nodiscard]] GrantStatus check_device_frame(Domain& lender, Mfn frame, GrantAccess access) {
    const GrantStatus status = take_frame(lender, frame, access);
    if (status == GrantStatus::okay)
        put_data(frame, access == GrantAccess::write);
    return status;
}

[[nodiscard]] bool maps_record(std::uint64_t found, const MapRecord& record) {
    return entry::is_present(found) && entry::frame(found) == Mfn{record.frame} &&
           entry::is_writable(found) == (record.access == GrantAccess::write);
}

// Overwrites the record's mapping with `instead`, whose reference was taken. The entry at the place must be
// one that the record can stand for. The tables' lock is held.
[[nodiscard]] GrantStatus overwrite(const LeafPlace& place, const MapRecord& record, std::uint64_t instead) {
    const auto found = read_place(place);
    if (!found || !maps_record(*found, record))
        return GrantStatus::general_error;
    const auto written = write_place(place, instead);
    return written ? GrantStatus::okay : status_of(written.error(), GrantStatus::general_error);
}

struct Uses {
    bool host, device;
};

// Uses of a claimed record are over; with the last one the record is.
void end_uses(Domain& borrower, grant_handle_t handle, MapRecord record, Uses ended) {
    MapRecord past = record;
    past.host = ended.host;
    past.device = ended.device;
    if (record.state == MapRecord::State::mapped)
        if (const auto lender = hold_domain(DomainId{record.lender}))
            release_uses(*lender, past);
    if (record.state == MapRecord::State::cut_off && ended.host)
        frame_table().let_go_of_dead(borrower.memory);
    record.host = record.host && !ended.host;
    record.device = record.device && !ended.device;
    if (uses_of(record) == 0)
        return_record(borrower, handle);
    else
        settle_record(borrower, handle, record);
}

// Ends what `remove` says has ended of a record that nobody else touches meanwhile, or nothing if it fails.
template<class Remove>
[[nodiscard]] GrantStatus end_mapping(Domain& domain, grant_handle_t handle, Uses ended, Remove remove) {
    const auto record = claim_record(domain, handle);
    if (!record)
        return record.error();
    ended = {ended.host && record->host, ended.device && record->device};
    const GrantStatus status = remove(*record, ended);
    end_uses(domain, handle, *record, status == GrantStatus::okay ? ended : Uses{});
    return status;
}

// The uses that a mapping needs, all or none.
[[nodiscard]] GrantResult<Mfn> acquire_uses(Domain& lender, GrantRef ref, DomainId borrower,
                                            GrantAccess access, bool both) {
    const auto frame = acquire_grant(lender, ref, borrower, access);
    if (!frame || !both)
        return frame;
    if (const auto again = acquire_grant(lender, ref, borrower, access); !again) {
        release_grant(lender, ref, access);
        return again;
    }
    return frame;
}

} // namespace

MapRecord* find_record(GrantTable& grants, grant_handle_t handle) {
    if (handle == 0 || handle >= handle_count(grants))
        return nullptr;
    return &record_at(grants, handle);
}

void free_record(GrantTable& grants, grant_handle_t handle) {
    MapRecord& record = record_at(grants, handle);
    record = {};
    record.ref = grants.maptrack_free;
    grants.maptrack_free = handle;
}

void release_uses(Domain& lender, const MapRecord& record) {
    for (std::uint32_t i = 0; i < uses_of(record); ++i)
        release_grant(lender, GrantRef{record.ref}, record.access);
}

GrantStatus map_grant(Vcpu& borrower, gnttab_map_grant_ref_t& operation) {
    Domain& domain = *borrower.domain;
    const std::uint32_t flags = operation.flags;
    if ((flags & ~known_flags) != 0 || (flags & (GNTMAP_host_map | GNTMAP_device_map)) == 0)
        return GrantStatus::bad_reference;
    const auto lender = hold_domain(DomainId{operation.dom});
    if (!lender)
        return GrantStatus::bad_domain;
    MapRecord record{.ref = operation.ref,
                     .frame = 0,
                     .lender = operation.dom,
                     .state = MapRecord::State::mapped,
                     .access = (flags & GNTMAP_readonly) != 0 ? GrantAccess::read : GrantAccess::write,
                     .by_entry = (flags & GNTMAP_contains_pte) != 0,
                     .host = (flags & GNTMAP_host_map) != 0,
                     .device = (flags & GNTMAP_device_map) != 0};
    const auto handle = take_record(domain);
    if (!handle)
        return handle.error();
    const auto frame =
        acquire_uses(*lender, GrantRef{record.ref}, domain.id, record.access, uses_of(record) == 2);
    if (!frame) {
        return_record(domain, *handle);
        return frame.error();
    }
    const LeafPlace place{borrower, operation.host_addr, record.by_entry};
    const GrantStatus status = record.host ? install(place, *lender, *frame, record.access, flags)
                                           : check_device_frame(*lender, *frame, record.access);
    if (status != GrantStatus::okay) {
        release_uses(*lender, record);
        return_record(domain, *handle);
        return status;
    }
    record.frame = static_cast<std::uint32_t>(frame->value());
    settle_record(domain, *handle, record);
    operation.handle = *handle;
    operation.dev_bus_addr = frame->value() << page_shift;
    return GrantStatus::okay;
}

// Each of the two addresses that is given takes its use away; one that the mapping does not have is nothing
// to do.
GrantStatus unmap_grant(Vcpu& borrower, const gnttab_unmap_grant_ref_t& operation) {
    Domain& domain = *borrower.domain;
    const Uses named{operation.host_addr != 0, operation.dev_bus_addr != 0};
    return end_mapping(domain, operation.handle, named, [&](const MapRecord& record, Uses ended) {
        if (ended.device && operation.dev_bus_addr != std::uint64_t{record.frame} << page_shift)
            return GrantStatus::general_error;
        if (!ended.host)
            return GrantStatus::okay;
        const LockGuard tables{domain.memory.tables};
        return overwrite({borrower, operation.host_addr, record.by_entry}, record, 0);
    });
}

namespace {

// The page at new_addr moves to host_addr. It must be the caller's own, for which one more reference can be
// taken; the one that new_addr's entry holds goes with that entry.
[[nodiscard]] GrantStatus move_page(Vcpu& borrower, const gnttab_unmap_and_replace_t& operation,
                                    const MapRecord& record) {
    Domain& domain = *borrower.domain;
    const LockGuard tables{domain.memory.tables};
    const LeafPlace place{borrower, operation.host_addr, record.by_entry};
    if (operation.new_addr == 0)
        return overwrite(place, record, 0);
    const LeafPlace source{borrower, operation.new_addr, false};
    const auto moving = read_place(source);
    if (place.is_entry || !moving || !entry::is_present(*moving) || operation.new_addr == operation.host_addr)
        return GrantStatus::general_error;
    if (const auto taken = take_leaf(*moving, Owner{domain.id}); !taken)
        return status_of(taken.error(), GrantStatus::general_error);
    if (const GrantStatus status = overwrite(place, record, *moving); status != GrantStatus::okay) {
        drop_leaf(*moving);
        return status;
    }
    // An entry that was read a moment ago can be cleared; if not, the page is mapped twice and counted twice.
    static_cast<void>(write_place(source, 0));
    return GrantStatus::okay;
}

} // namespace

GrantStatus unmap_and_replace(Vcpu& borrower, const gnttab_unmap_and_replace_t& operation) {
    return end_mapping(*borrower.domain, operation.handle, {.host = true, .device = false},
                       [&](const MapRecord& record, Uses ended) {
                           return ended.host ? move_page(borrower, operation, record) : GrantStatus::okay;
                       });
}

} // namespace bulkhead::hv
