// What other domains lend and which ports they leave open is meant for the domains that they named. A domain
// that none of them ever heard of maps no grant of theirs and binds no port. Its neighbours come from the
// machine in which it runs: alone it has only domain 0.
#include "guest/runtime/grants.hpp"
#include "tests/guest/own_domain.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

static constexpr std::uint16_t domains = 8;
static constexpr std::uint32_t references = 512, ports = 64;

static void try_grants(DomainId lender) {
    for (std::uint32_t ref = 0; ref < references; ++ref)
        if (const auto mapping = grants::map(lender, GrantRef{ref})) {
            const auto word = *reinterpret_cast<const std::uint64_t*>(mapping->page);
            check(false, "domain {} lends grant {} to a stranger, who reads {}", lender, ref, word);
        }
}

static void try_ports(DomainId owner) {
    for (std::uint32_t port = 1; port < ports; ++port)
        refused(events::bind_interdomain(owner, Port{port}), "binding a stranger's port");
}

GUEST_TEST(stranger, "a domain gets at nothing that others keep for a domain that is gone") {
    const DomainId self = own_domain();
    for (std::uint16_t other = 0; other < domains; ++other)
        if (DomainId{other} != self) {
            try_grants(DomainId{other});
            try_ports(DomainId{other});
        }
}
