// The rights of domains on a node. Domain 0 and the owner may do everything; a few others have rights of
// their own; the rest have the common ones.
#pragma once

#include "abi/types.hpp"
#include "guest/dom0/xenstore/error.hpp"

#include <span>

namespace bulkhead::xenstore {

enum class Access : std::uint8_t { none = 0, read = 1, write = 2, both = 3 };
constexpr bool allows(Access given, Access wanted) {
    return (static_cast<unsigned>(given) & static_cast<unsigned>(wanted)) == static_cast<unsigned>(wanted);
}

struct Permissions {
    static constexpr std::size_t max_others = 4;
    struct Entry {
        DomainId domain;
        Access access = Access::none;
    };

    DomainId owner;
    Access everyone = Access::none;
    std::uint8_t count = 0;
    std::array<Entry, max_others> others{};

    [[nodiscard]] constexpr Access of(DomainId domain) const {
        if (domain == DomainId{0} || domain == owner)
            return Access::both;
        for (std::size_t i = 0; i < count; ++i)
            if (others[i].domain == domain)
                return others[i].access;
        return everyone;
    }
};

// A node of `owner` that everyone, or only one other domain, may read.
constexpr Permissions readable_by_all(DomainId owner) {
    return {.owner = owner, .everyone = Access::read, .count = 0, .others = {}};
}
constexpr Permissions readable_by(DomainId owner, DomainId reader) {
    Permissions permissions{.owner = owner, .everyone = Access::none, .count = 1, .others = {}};
    permissions.others[0] = {reader, Access::read};
    return permissions;
}

// The wire form: strings like "n0", "r3", each with its zero byte, the owner first.
[[nodiscard]] Result<Permissions> parse_permissions(std::string_view wire);
// The part of `out` that was written; it needs 8 bytes per entry.
std::string_view print_permissions(const Permissions& permissions,
                                   std::span<char, 8 * (1 + Permissions::max_others)> out);

} // namespace bulkhead::xenstore
