// The invariant of grants: an entry's use counts are exactly the records of all domains that name it. Checked
// by taking every record's use away, looking for what remains, and putting the uses back.

#include "hv/domain/domain.hpp"
#include "hv/grant/map.hpp"

namespace bulkhead::hv {

namespace {

template<class Visit>
void for_each_mapping(Visit visit) {
    for_each_domain([&](Domain& borrower) {
        for (grant_handle_t handle = 1; handle < handle_count(borrower.grants); ++handle)
            if (const MapRecord* record = find_record(borrower.grants, handle);
                record != nullptr && record->state == MapRecord::State::mapped)
                visit(borrower, *record);
    });
}

[[nodiscard]] ActiveGrant* used_entry(const MapRecord& record) {
    Domain* lender = find_domain(DomainId{record.lender});
    return lender == nullptr ? nullptr : find_active(*lender, GrantRef{record.ref});
}

// Wraps below zero where a count is too small; the remainder then shows it.
void add_uses(const MapRecord& record, std::uint32_t step) {
    if (ActiveGrant* active = used_entry(record))
        (record.access == GrantAccess::write ? active->writers : active->readers) += step * uses_of(record);
}

[[nodiscard]] bool agrees(const Domain& borrower, const MapRecord& record) {
    const ActiveGrant* active = used_entry(record);
    return active != nullptr && active->domain == borrower.id.value() && active->frame == record.frame;
}

// Nothing may remain once every record's use is subtracted. Counts every entry's uses on the way.
[[nodiscard]] std::uint64_t remainders(Domain& lender) {
    std::uint64_t violations = 0;
    for (std::uint32_t ref = 0; ref < lender.grants.frame_count * grants_per_frame; ++ref)
        if (const ActiveGrant* active = find_active(lender, GrantRef{ref}))
            violations += (active->readers | active->writers) != 0;
    return violations;
}

[[nodiscard]] std::uint64_t total_uses(Domain& lender) {
    std::uint64_t total = 0;
    for (std::uint32_t ref = 0; ref < lender.grants.frame_count * grants_per_frame; ++ref)
        if (const ActiveGrant* active = find_active(lender, GrantRef{ref}))
            total += std::uint64_t{active->readers} + active->writers;
    return total;
}

// The length of the free list, cut where a damaged list would run in a circle.
[[nodiscard]] std::uint32_t free_records(GrantTable& grants) {
    std::uint32_t count = 0;
    for (grant_handle_t handle = grants.maptrack_free; handle != 0 && count < handle_count(grants); ++count) {
        const MapRecord* record = find_record(grants, handle);
        if (record == nullptr || record->state != MapRecord::State::free)
            return count;
        handle = record->ref;
    }
    return count;
}

[[nodiscard]] bool records_add_up(GrantTable& grants) {
    const std::uint32_t handles = handle_count(grants);
    return handles == 0 ? grants.mappings == 0 : free_records(grants) + grants.mappings + 1 == handles;
}

} // namespace

std::uint64_t audit_grants() {
    std::uint64_t violations = 0;
    for_each_domain([&](Domain& domain) {
        violations += domain.grants.uses != total_uses(domain);
        violations += !records_add_up(domain.grants);
    });
    for_each_mapping([&](const Domain& borrower, const MapRecord& record) {
        violations += !agrees(borrower, record);
        add_uses(record, ~std::uint32_t{0});
    });
    for_each_domain([&](Domain& domain) { violations += remainders(domain); });
    for_each_mapping([&](const Domain&, const MapRecord& record) { add_uses(record, 1); });
    return violations;
}

} // namespace bulkhead::hv
