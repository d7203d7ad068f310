// Which domain a hypercall means, and whether its caller may.
#include "hv/domain/domain.hpp"

namespace bulkhead::hv {

Result<Domain*> resolve_domain(Domain& caller, std::uint16_t id) {
    if (id == DOMID_SELF || id == caller.id.value())
        return &caller;
    Domain* domain = find_domain(DomainId{id});
    if (domain == nullptr)
        return fail(Error::no_domain);
    if (!caller.privileged)
        return fail(Error::permission);
    return domain;
}

} // namespace bulkhead::hv
