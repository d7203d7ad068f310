// Which domain a hypercall means, whether its caller may, and how long it stays.
#include "hv/base/lock.hpp"
#include "hv/domain/domain.hpp"
#include "hv/domain/table.hpp"

namespace bulkhead::hv {

Lock<Rank::domains>& domain_table_lock() {
    static constinit Lock<Rank::domains> lock;
    return lock;
}

DomainHold hold_domain(DomainId id) {
    const LockGuard table{domain_table_lock()};
    auto* domain = find_domain(id);
    if (domain == nullptr)
        return {};
    domain->holds.fetch_add(1, std::memory_order_relaxed);
    return {domain, domain};
}

void DomainHold::release(Domain& domain) { domain.holds.fetch_sub(1, std::memory_order_release); }

Result<DomainHold> resolve_domain(Domain& caller, std::uint16_t id) {
    if (id == DOMID_SELF || id == caller.id.value())
        return DomainHold::own(caller);
    auto domain = hold_domain(DomainId{id});
    if (!domain)
        return fail(Error::no_domain);
    if (!caller.privileged)
        return fail(Error::permission);
    return domain;
}

} // namespace bulkhead::hv
