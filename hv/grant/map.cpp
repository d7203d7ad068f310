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

[[nodiscard]] std::uint64_t entry_for(Mfn frame, GrantAccess access, std::uint32_t flags) {
    const std::uint64_t available =
        std::uint64_t{flags >> _GNTMAP_guest_avail0} << available_shift & available_bits;
    return frame.value() << page_shift | entry::present | entry::user | entry::accessed | no_execute |
           available | (access == GrantAccess::write ? entry::writable | entry::dirty : 0);
}

// The reference that the entry will own, then the entry.
[[nodiscard]] GrantStatus install(const LeafPlace& place, Domain& lender, Mfn frame, GrantAccess access,
                                  std::uint32_t flags) {
    const Frame* found = frame_table().find(frame);
    if (found == nullptr || found->shared)
        return GrantStatus::bad_page;
    const bool writable = access == GrantAccess::write;
    if (const auto taken = get_data(frame, lender, writable); !taken)
        return status_of(taken.error(), GrantStatus::bad_page);
    const LockGuard tables{place.vcpu.domain->memory.tables};
    if (const auto written = write_place(place, entry_for(frame, access, flags)); !written) {
        put_data(frame, writable);
        return status_of(written.error(), GrantStatus::bad_address);
    }
    return GrantStatus::okay;
}

[[nodiscard]] bool maps_record(std::uint64_t found, const MapRecord& record) {
    return entry::is_present(found) && entry::frame(found) == Mfn{record.frame} &&
           entry::is_writable(found) == (record.access == GrantAccess::write);
}

// Overwrites the record's mapping with `instead`, whose reference was taken. The tables' lock is held.
[[nodiscard]] GrantStatus overwrite(const LeafPlace& place, const MapRecord& record, std::uint64_t instead) {
    const auto found = read_place(place);
    if (!found || !maps_record(*found, record))
        return GrantStatus::bad_address;
    const auto written = write_place(place, instead);
    return written ? GrantStatus::okay : status_of(written.error(), GrantStatus::bad_address);
}

// Ends a mapping: `remove` changes the page table, for a record that nobody else touches meanwhile.
template<class Remove>
[[nodiscard]] GrantStatus end_mapping(Domain& domain, grant_handle_t handle, Remove remove) {
    const auto record = claim_record(domain, handle);
    if (!record)
        return record.error();
    if (const GrantStatus status = remove(*record); status != GrantStatus::okay) {
        settle_record(domain, handle, *record);
        return status;
    }
    if (record->state == MapRecord::State::mapped)
        if (const auto lender = hold_domain(DomainId{record->lender}))
            release_grant(*lender, GrantRef{record->ref}, record->access);
    return_record(domain, handle);
    return GrantStatus::okay;
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

GrantStatus map_grant(Vcpu& borrower, gnttab_map_grant_ref_t& operation) {
    Domain& domain = *borrower.domain;
    const std::uint32_t flags = operation.flags;
    if ((flags & ~known_flags) != 0 || (flags & GNTMAP_host_map) == 0)
        return GrantStatus::bad_reference; // mapping into an I/O space alone is not supported
    const auto lender = hold_domain(DomainId{operation.dom});
    if (!lender)
        return GrantStatus::bad_domain;
    const GrantAccess access = (flags & GNTMAP_readonly) != 0 ? GrantAccess::read : GrantAccess::write;
    const GrantRef ref{operation.ref};

    const auto handle = take_record(domain);
    if (!handle)
        return handle.error();
    const auto frame = acquire_grant(*lender, ref, domain.id, access);
    if (!frame) {
        return_record(domain, *handle);
        return frame.error();
    }
    const bool by_entry = (flags & GNTMAP_contains_pte) != 0;
    const LeafPlace place{borrower, operation.host_addr, by_entry};
    if (const GrantStatus status = install(place, *lender, *frame, access, flags);
        status != GrantStatus::okay) {
        release_grant(*lender, ref, access);
        return_record(domain, *handle);
        return status;
    }
    settle_record(domain, *handle,
                  MapRecord{.ref = ref.value(),
                            .frame = static_cast<std::uint32_t>(frame->value()),
                            .lender = operation.dom,
                            .state = MapRecord::State::mapped,
                            .access = access,
                            .by_entry = by_entry});
    operation.handle = *handle;
    operation.dev_bus_addr = frame->value() << page_shift;
    return GrantStatus::okay;
}

GrantStatus unmap_grant(Vcpu& borrower, const gnttab_unmap_grant_ref_t& operation) {
    Domain& domain = *borrower.domain;
    return end_mapping(domain, operation.handle, [&](const MapRecord& record) {
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
        return GrantStatus::bad_address;
    if (const auto taken = take_leaf(*moving, Owner{domain.id}); !taken)
        return status_of(taken.error(), GrantStatus::bad_address);
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
    return end_mapping(*borrower.domain, operation.handle,
                       [&](const MapRecord& record) { return move_page(borrower, operation, record); });
}

} // namespace bulkhead::hv
