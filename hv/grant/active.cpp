// Entries of the grant table are shared with a hostile guest: each is read once per decision, and changed
// only by compare-and-exchange of flags and domain together, as the ABI asks.

#include "hv/grant/active.hpp"

#include "hv/base/machine.hpp"
#include "hv/domain/domain.hpp"

namespace bulkhead::hv {

namespace {

// Flags in the low half, domain in the high one: what changes together.
using Header [[gnu::may_alias]] = std::uint32_t;
using Whole [[gnu::may_alias]] = std::uint64_t;
static_assert(sizeof(grant_entry_v1_t) == sizeof(Whole) && offsetof(grant_entry_v1_t, flags) == 0 &&
              offsetof(grant_entry_v1_t, domid) == 2);

constexpr int most_attempts = 4; // a guest that changes its entry that often while we look gets an error

[[nodiscard]] grant_entry_v1_t* shared_entry(Domain& domain, GrantRef ref) {
    const std::uint32_t frame = ref.value() / grants_per_frame;
    if (frame >= domain.grants.frame_count)
        return nullptr;
    return machine::frame_as<grant_entry_v1_t>(domain.grants.frames[frame]) + ref.value() % grants_per_frame;
}

[[nodiscard]] Header* header_of(grant_entry_v1_t* entry) { return reinterpret_cast<Header*>(entry); }

// Lights GTF_reading (and GTF_writing) if the entry permits this use.
[[nodiscard]] GrantStatus claim(grant_entry_v1_t* entry, DomainId borrower, GrantAccess access) {
    const bool writes = access == GrantAccess::write;
    const std::uint32_t lights = GTF_reading | (writes ? GTF_writing : 0);
    std::uint32_t seen = __atomic_load_n(header_of(entry), __ATOMIC_ACQUIRE);
    for (int attempt = 0; attempt < most_attempts; ++attempt) {
        const bool permits = (seen & GTF_type_mask) == GTF_permit_access && (seen & GTF_sub_page) == 0 &&
                             seen >> 16 == borrower.value() && !(writes && (seen & GTF_readonly) != 0);
        if (!permits)
            return GrantStatus::general_error;
        if (__atomic_compare_exchange_n(header_of(entry), &seen, seen | lights, false, __ATOMIC_ACQ_REL,
                                        __ATOMIC_ACQUIRE))
            return GrantStatus::okay;
    }
    return GrantStatus::general_error;
}

void extinguish(grant_entry_v1_t* entry, std::uint32_t lights) {
    __atomic_fetch_and(header_of(entry), ~lights, __ATOMIC_RELEASE);
}

[[nodiscard]] std::uint32_t users(const ActiveGrant& active) { return active.readers + active.writers; }

} // namespace

ActiveGrant* find_active(Domain& lender, GrantRef ref) {
    constexpr std::uint32_t per_page = page_bytes / sizeof(ActiveGrant);
    if (ref.value() / grants_per_frame >= lender.grants.frame_count)
        return nullptr;
    return &lender.grants.active[ref.value() / per_page][ref.value() % per_page];
}

GrantResult<Mfn> acquire_grant(Domain& lender, GrantRef ref, DomainId borrower, GrantAccess access) {
    const LockGuard grants{lender.grants.lock};
    if (lender.life == control::Life::dying)
        return refuse(GrantStatus::bad_domain);
    grant_entry_v1_t* entry = shared_entry(lender, ref);
    ActiveGrant* active = find_active(lender, ref);
    if (entry == nullptr || active == nullptr)
        return refuse(GrantStatus::bad_reference);
    if (users(*active) != 0 && active->domain != borrower.value())
        return refuse(GrantStatus::general_error);
    if (const GrantStatus status = claim(entry, borrower, access); status != GrantStatus::okay)
        return refuse(status);
    if (users(*active) == 0) {
        active->frame = __atomic_load_n(&entry->frame, __ATOMIC_ACQUIRE);
        active->domain = borrower.value();
    }
    ++(access == GrantAccess::write ? active->writers : active->readers);
    ++lender.grants.uses;
    return Mfn{active->frame};
}

void release_grant(Domain& lender, GrantRef ref, GrantAccess access) {
    const LockGuard grants{lender.grants.lock};
    grant_entry_v1_t* entry = shared_entry(lender, ref);
    ActiveGrant* active = find_active(lender, ref);
    if (entry == nullptr || active == nullptr)
        return;
    --lender.grants.uses;
    const bool last_writer = access == GrantAccess::write && --active->writers == 0;
    if (access == GrantAccess::read)
        --active->readers;
    const std::uint32_t lights = (last_writer ? GTF_writing : 0) | (users(*active) == 0 ? GTF_reading : 0);
    if (lights != 0)
        extinguish(entry, lights);
}

// Other users of the entry stay as many as they are, since the lock is held.
PassingUse begin_passing_use(Domain& lender, GrantRef ref, DomainId borrower, GrantAccess access) {
    lender.grants.lock.lock();
    if (lender.life == control::Life::dying) [[unlikely]]
        return {GrantStatus::bad_domain, {}};
    const ActiveGrant* const active = find_active(lender, ref);
    if (active == nullptr) [[unlikely]]
        return {GrantStatus::bad_reference, {}};
    if (users(*active) != 0 && active->domain != borrower.value()) [[unlikely]]
        return {GrantStatus::general_error, {}};
    grant_entry_v1_t* const entry = shared_entry(lender, ref);
    if (const GrantStatus status = claim(entry, borrower, access); status != GrantStatus::okay) [[unlikely]]
        return {status, {}};
    if (users(*active) != 0) [[unlikely]] {
        const bool only_writer = access == GrantAccess::write && active->writers == 0;
        return {GrantStatus::okay, Mfn{active->frame}, only_writer ? std::uint32_t{GTF_writing} : 0U};
    }
    return {GrantStatus::okay, Mfn{__atomic_load_n(&entry->frame, __ATOMIC_ACQUIRE)},
            GTF_reading | GTF_writing};
}

void end_passing_use(Domain& lender, GrantRef ref, const PassingUse& use) {
    if (use.lights != 0) [[likely]]
        extinguish(shared_entry(lender, ref), use.lights);
    lender.grants.lock.unlock();
}

GrantStatus swap_grants(Domain& domain, GrantRef a, GrantRef b) {
    const LockGuard grants{domain.grants.lock};
    const ActiveGrant* active_a = find_active(domain, a);
    const ActiveGrant* active_b = find_active(domain, b);
    if (active_a == nullptr || active_b == nullptr)
        return GrantStatus::bad_reference;
    if (a == b)
        return GrantStatus::okay;
    if (users(*active_a) != 0 || users(*active_b) != 0)
        return GrantStatus::in_use;
    auto* first = reinterpret_cast<Whole*>(shared_entry(domain, a));
    auto* second = reinterpret_cast<Whole*>(shared_entry(domain, b));
    const std::uint64_t moved = __atomic_load_n(first, __ATOMIC_ACQUIRE);
    __atomic_store_n(first, __atomic_load_n(second, __ATOMIC_ACQUIRE), __ATOMIC_RELEASE);
    __atomic_store_n(second, moved, __ATOMIC_RELEASE);
    return GrantStatus::okay;
}

Result<> grow_grants(Domain& domain) {
    GrantTable& grants = domain.grants;
    const LockGuard guard{grants.lock};
    const std::uint32_t index = grants.frame_count;
    if (index == max_grant_frames)
        return fail(Error::no_space);
    void* pages[3]{}; // entries, two of counts
    for (void*& page : pages) {
        const auto fresh = domain.allocate_metadata();
        if (!fresh) {
            for (void* taken : pages)
                if (taken != nullptr)
                    domain.free_metadata(taken);
            return fail(fresh.error());
        }
        page = *fresh;
    }
    grants.frames[index] = machine::frame_of(pages[0]);
    grants.active[2 * index] = static_cast<ActiveGrant*>(pages[1]);
    grants.active[2 * index + 1] = static_cast<ActiveGrant*>(pages[2]);
    frame_table().share(grants.frames[index], domain);
    grants.frame_count = index + 1;
    return {};
}

Result<> start_grants(Domain& domain) {
    return domain.grants.frame_count == 0 ? grow_grants(domain) : Result<>{};
}

} // namespace bulkhead::hv
