// The audit of grants in steps, by the sums that hv/mm/audit_steps.cpp explains: the counts of all entries
// against the records of all borrowers.

#include "hv/base/machine.hpp"
#include "hv/domain/domain.hpp"
#include "hv/grant/map.hpp"

namespace bulkhead::hv {

namespace {

constexpr std::uint32_t items_of_a_step = 32; // entries or records

struct Progress {
    std::uint32_t slot = 0;   // of the domain at hand, or the next one
    std::uint32_t entry = 0;  // of its table
    std::uint32_t record = 0; // of its mappings, once all entries were seen
    std::uint64_t uses = 0;   // of its entries so far
    std::uint32_t mappings = 0;
    std::uint64_t counted = 0, held = 0; // weighted by entry, kind of use and borrower
    bool clean = true;
};
constinit Progress progress;

// SplitMix64's finaliser (Steele, Lea, Flood, OOPSLA 2014) of what is used, how, and by whom.
std::uint64_t weight(std::uint16_t lender, std::uint32_t ref, GrantAccess access, std::uint16_t borrower,
                     std::uint32_t frame) {
    auto z = std::uint64_t{frame} << 32 | std::uint64_t{lender} << 16 | borrower;
    z += (2 * std::uint64_t{ref} + (access == GrantAccess::write ? 1 : 0) + 1) * 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

void look_at_entry(Domain& lender, std::uint32_t ref) {
    const ActiveGrant* active = find_active(lender, GrantRef{ref});
    if (active == nullptr)
        return;
    const auto of = [&](GrantAccess access) {
        return weight(lender.id.value(), ref, access, active->domain, active->frame);
    };
    progress.uses += std::uint64_t{active->readers} + active->writers;
    progress.counted += active->readers * of(GrantAccess::read) + active->writers * of(GrantAccess::write);
}

void look_at_record(Domain& borrower, grant_handle_t handle) {
    const MapRecord& record = record_at(borrower.grants, handle);
    progress.mappings += record.state != MapRecord::State::free ? 1 : 0;
    if (record.state == MapRecord::State::mapped)
        progress.held += uses_of(record) *
                         weight(record.lender, record.ref, record.access, borrower.id.value(), record.frame);
}

void end_domain(const Domain& domain) {
    const auto& grants = domain.grants;
    progress.clean = progress.clean && progress.uses == grants.uses && progress.mappings == grants.mappings;
    progress = {.slot = domain.sched.slot + 1,
                .counted = progress.counted,
                .held = progress.held,
                .clean = progress.clean};
}

// Some entries or records of the domain at hand, or on to the next one.
void step(Domain& domain) {
    const auto entries = domain.grants.frame_count * grants_per_frame;
    const auto records = handle_count(domain.grants);
    std::uint32_t left = items_of_a_step;
    for (; left > 0 && progress.entry < entries; --left)
        look_at_entry(domain, progress.entry++);
    progress.record = progress.record == 0 ? 1 : progress.record; // handle 0 is never given out
    for (; left > 0 && progress.record < records; --left)
        look_at_record(domain, progress.record++);
    if (progress.entry >= entries && progress.record >= records)
        end_domain(domain);
}

} // namespace

Result<std::uint64_t> audit_grants_in_steps() {
    while (Domain* domain = next_domain(progress.slot)) {
        step(*domain);
        if (machine::should_preempt())
            return fail(Error::restart);
    }
    const bool clean = progress.clean && progress.counted == progress.held;
    progress = {};
    return clean ? 0 : audit_grants();
}

} // namespace bulkhead::hv
