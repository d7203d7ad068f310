// Grant tables (v1): lend own pages to another domain, map pages that were lent.
#pragma once

#include "guest/runtime/memory.hpp"
#include "guest/runtime/result.hpp"

namespace bulkhead::guest::grants {

enum class Access : bool { read_write = false, read_only = true };

// Lends the frame behind `page` to `to`. End it only when the peer has unmapped it: false while it is in use.
[[nodiscard]] Result<GrantRef> lend(const Page* page, DomainId to, Access access = Access::read_write);
[[nodiscard]] bool end(GrantRef ref);

struct Mapping {
    Page* page;
    std::uint32_t handle;
};
[[nodiscard]] Result<Mapping> map(DomainId lender, GrantRef ref, Access access = Access::read_write);
Status unmap(const Mapping& mapping);

// GNTST_* of a grant operation as an error.
[[nodiscard]] Status from_grant_status(int status);

} // namespace bulkhead::guest::grants
