// The borrower's side of grants: a record for each mapping, and the mapping itself. A page-table entry owns
// its frame's reference whatever happens to the record, so a frame outlives its lender while a domain maps
// it.
#pragma once

#include "hv/grant/active.hpp"

namespace bulkhead::hv {

struct Vcpu;

struct MapRecord {
    // busy: an operation on it is under way, which owns the record; cut off: the lender's table is gone.
    enum class State : std::uint8_t { free, busy, mapped, cut_off };
    std::uint32_t ref; // state free: the next free handle
    std::uint32_t frame;
    std::uint16_t lender;
    State state; // under the lock of the borrower's grants
    GrantAccess access;
    bool by_entry; // mapped with GNTMAP_contains_pte, and so it is unmapped
    // What it still stands for: an entry in the borrower's page tables, and the right to name the frame to a
    // device. Each is a use of the grant.
    bool host, device;
};
static_assert(sizeof(MapRecord) == 16);

inline constexpr std::uint32_t records_per_page = page_bytes / sizeof(MapRecord);

// Handles are 1 to handle_count - 1. nullptr for any other.
[[nodiscard]] inline std::uint32_t handle_count(const GrantTable& grants) {
    return grants.maptrack_pages * records_per_page;
}
[[nodiscard]] MapRecord* find_record(GrantTable& grants, grant_handle_t handle);
// The record of a handle that is known to exist.
[[nodiscard]] inline MapRecord& record_at(GrantTable& grants, grant_handle_t handle) {
    return grants.maptrack[handle / records_per_page][handle % records_per_page];
}
// How many uses of its grant a record that is `mapped` stands for.
[[nodiscard]] inline std::uint32_t uses_of(const MapRecord& record) {
    return std::uint32_t{record.host} + std::uint32_t{record.device};
}
// Gives those up.
void release_uses(Domain& lender, const MapRecord& record);
// Puts the record on the free list, with the lock held. What it stood for was released before.
void free_record(GrantTable& grants, grant_handle_t handle);

// Each does one operation of a batch and fills its outputs but `status`. With restart, nothing has changed.
[[nodiscard]] GrantStatus map_grant(Vcpu& borrower, gnttab_map_grant_ref_t& operation);
[[nodiscard]] GrantStatus unmap_grant(Vcpu& borrower, const gnttab_unmap_grant_ref_t& operation);
[[nodiscard]] GrantStatus unmap_and_replace(Vcpu& borrower, const gnttab_unmap_and_replace_t& operation);

} // namespace bulkhead::hv
