// The lender's side of grants: the entries of its table, which it may change at any moment, and the
// hypervisor's own counts of each entry's users.
#pragma once

#include "hv/grant/table.hpp"

#include <expected>

namespace bulkhead::hv {

// GNTST_*, the status that each operation of a batch gets.
enum class GrantStatus : std::int16_t {
    okay = GNTST_okay,
    general_error = GNTST_general_error,
    bad_domain = GNTST_bad_domain,
    bad_reference = GNTST_bad_gntref,
    bad_handle = GNTST_bad_handle,
    bad_address = GNTST_bad_virt_addr,
    permission_denied = GNTST_permission_denied,
    bad_page = GNTST_bad_page,
    bad_copy = GNTST_bad_copy_arg,
    in_use = GNTST_eagain,
    no_space = GNTST_no_space,
    restart = 1, // never reaches a guest: the operation changed nothing and is to be made again
};

template<class T>
using GrantResult = std::expected<T, GrantStatus>;
[[nodiscard]] constexpr auto refuse(GrantStatus status) { return std::unexpected{status}; }

// restart stays restart, running out of quota is no_space; anything else becomes `otherwise`.
[[nodiscard]] constexpr GrantStatus status_of(Error error, GrantStatus otherwise) {
    if (error == Error::restart)
        return GrantStatus::restart;
    return error == Error::no_memory ? GrantStatus::no_space : otherwise;
}

enum class GrantAccess : std::uint8_t { read, write };

struct ActiveGrant {
    std::uint32_t frame;  // what the entry named when its first user came; it counts until the last has gone
    std::uint16_t domain; // the borrower
    std::uint16_t reserved;
    std::uint32_t readers;
    std::uint32_t writers;
};
static_assert(sizeof(ActiveGrant) * grants_per_frame == 2 * page_bytes);

// nullptr if the table has no such entry.
[[nodiscard]] ActiveGrant* find_active(Domain& lender, GrantRef ref);

// One more frame for the table. Fails: no_space at the limit, no_memory when the quota is used up.
[[nodiscard]] Result<> grow_grants(Domain& domain);

// Counts one more use of the grant by `borrower` and tells the lender by GTF_reading and GTF_writing. Returns
// the frame, which may be anything yet: no reference was taken.
[[nodiscard]] GrantResult<Mfn> acquire_grant(Domain& lender, GrantRef ref, DomainId borrower,
                                             GrantAccess access);
// Undoes one acquire_grant with the same arguments.
void release_grant(Domain& lender, GrantRef ref, GrantAccess access);

// A use that begins and ends while the lock of the lender's table is held, for bytes that move at once: the
// lender is told of it as of any other, and nothing is counted. The lender is locked until end_passing_use,
// also where this fails.
struct PassingUse {
    GrantStatus status;
    Mfn frame;                // if okay: which may be anything yet, no reference was taken
    std::uint32_t lights = 0; // what tells the lender, and goes out at the end
};
[[nodiscard]] PassingUse begin_passing_use(Domain& lender, GrantRef ref, DomainId borrower,
                                           GrantAccess access);
void end_passing_use(Domain& lender, GrantRef ref, const PassingUse& use);

// Exchanges two entries that are not in use.
[[nodiscard]] GrantStatus swap_grants(Domain& domain, GrantRef a, GrantRef b);

} // namespace bulkhead::hv
