// The end of a domain's grants, as a lender and as a borrower, in steps that can stop after any record.

#include "hv/base/machine.hpp"
#include "hv/domain/domain.hpp"
#include "hv/grant/map.hpp"

#include <optional>

namespace bulkhead::hv {

namespace {

// Preemption is asked for after this many records without work; a record with work is asked about at once.
constexpr std::uint32_t idle_records = 32;

// Its own mappings: their entries go with its page tables, so only the lenders' counts are left to settle.
[[nodiscard]] Result<> drop_records(Domain& domain) {
    GrantTable& grants = domain.grants;
    for (grant_handle_t& handle = grants.teardown.own_handle;
         grants.mappings > 0 && handle < handle_count(grants);) {
        MapRecord* record = find_record(grants, handle++);
        if (record == nullptr || record->state == MapRecord::State::free)
            continue;
        if (record->state == MapRecord::State::mapped)
            if (Domain* lender = find_domain(DomainId{record->lender}))
                release_uses(*lender, *record);
        free_record(grants, handle - 1);
        --grants.mappings;
        if (machine::should_preempt())
            return fail(Error::restart);
    }
    return {};
}

// Cuts the record off if it is one of the lender's grants. Answers what it said. The frame that stays mapped
// counts against the borrower's limit from now on.
[[nodiscard]] std::optional<MapRecord> cut_off_one(Domain& borrower, const Domain& lender,
                                                   grant_handle_t handle) {
    const LockGuard guard{borrower.grants.lock};
    MapRecord* record = find_record(borrower.grants, handle);
    if (record == nullptr || record->state != MapRecord::State::mapped || record->lender != lender.id.value())
        return {};
    record->state = MapRecord::State::cut_off;
    if (record->host)
        frame_table().keep_of_dead(borrower.memory);
    return *record;
}

[[nodiscard]] std::uint64_t uses_left(Domain& lender) {
    const LockGuard guard{lender.grants.lock};
    return lender.grants.uses;
}

[[nodiscard]] std::uint32_t handles_of(Domain& borrower) {
    const LockGuard guard{borrower.grants.lock};
    return handle_count(borrower.grants);
}

[[nodiscard]] Result<> cut_off_in(Domain& borrower, Domain& lender) {
    grant_handle_t& handle = lender.grants.teardown.their_handle;
    for (; uses_left(lender) > 0 && handle < handles_of(borrower); ++handle) {
        const auto concerned = cut_off_one(borrower, lender, handle);
        if (concerned)
            release_uses(lender, *concerned);
        if ((concerned || handle % idle_records == 0) && machine::should_preempt()) {
            ++handle;
            return fail(Error::restart);
        }
    }
    handle = 0;
    return {};
}

[[nodiscard]] Result<> cut_off_borrowers(Domain& lender) {
    std::uint32_t& next = lender.grants.teardown.slot;
    while (uses_left(lender) > 0) {
        Domain* borrower = next_domain(next);
        if (borrower == nullptr)
            break;
        BULKHEAD_TRY(cut_off_in(*borrower, lender));
        next = borrower->sched.slot + 1;
        if (machine::should_preempt())
            return fail(Error::restart);
    }
    if (uses_left(lender) == 0)
        return {};
    next = 0; // an operation on another pCPU has not ended yet, and may leave a record behind
    return fail(Error::restart);
}

[[nodiscard]] Result<> free_last_frame(Domain& domain) {
    GrantTable& grants = domain.grants;
    const std::uint32_t last = grants.frame_count - 1;
    BULKHEAD_TRY(frame_table().take_back(grants.frames[last]));
    domain.free_metadata(machine::frame_data(grants.frames[last]));
    domain.free_metadata(grants.active[2 * last]);
    domain.free_metadata(grants.active[2 * last + 1]);
    grants.frame_count = last;
    return {};
}

} // namespace

Result<> relinquish_grants(Domain& domain) {
    BULKHEAD_TRY(drop_records(domain));
    return cut_off_borrowers(domain);
}

Result<> free_grants(Domain& domain) {
    GrantTable& grants = domain.grants;
    while (grants.maptrack_pages > 0) {
        domain.free_metadata(grants.maptrack[--grants.maptrack_pages]);
        if (machine::should_preempt())
            return fail(Error::restart);
    }
    grants.maptrack_free = 0;
    while (grants.frame_count > 0) {
        BULKHEAD_TRY(free_last_frame(domain));
        if (machine::should_preempt())
            return fail(Error::restart);
    }
    return {};
}

} // namespace bulkhead::hv
