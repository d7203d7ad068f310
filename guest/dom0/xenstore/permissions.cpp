// See permissions.hpp.
#include "guest/dom0/xenstore/permissions.hpp"

#include "guest/dom0/xenstore/path.hpp"
#include "guest/dom0/xenstore/strings.hpp"

#include <cstring>

namespace bulkhead::xenstore {
namespace {

constexpr std::string_view letters = "nrwb"; // by Access

Result<Permissions::Entry> parse_entry(std::string_view text) {
    if (text.size() < 2)
        return fail(Error::invalid);
    std::size_t access = 0;
    while (access < letters.size() && letters[access] != text[0])
        ++access;
    const auto domain = parse_decimal({text.data() + 1, text.size() - 1}, max_domains - 1);
    if (access == letters.size() || !domain)
        return fail(Error::invalid);
    return Permissions::Entry{DomainId{static_cast<std::uint16_t>(*domain)}, static_cast<Access>(access)};
}

} // namespace

Result<Permissions> parse_permissions(std::string_view wire) {
    Permissions permissions;
    for (bool first = true; first || !wire.empty(); first = false) {
        const auto text = take_string(wire);
        const auto entry = text ? parse_entry(*text) : fail(Error::invalid);
        if (!entry)
            return fail(entry.error());
        if (first) {
            permissions.owner = entry->domain;
            permissions.everyone = entry->access;
        } else if (permissions.count == Permissions::max_others) {
            return fail(Error::no_space);
        } else {
            permissions.others[permissions.count++] = *entry;
        }
    }
    return permissions;
}

std::string_view print_permissions(const Permissions& permissions,
                                   std::span<char, 8 * (1 + Permissions::max_others)> out) {
    std::size_t used = 0;
    const auto print = [&](Access access, DomainId domain) {
        const Decimal digits{domain.value()};
        out[used++] = letters[static_cast<std::size_t>(access)];
        std::memcpy(out.data() + used, digits.text().data(), digits.text().size());
        used += digits.text().size();
        out[used++] = '\0';
    };
    print(permissions.everyone, permissions.owner);
    for (std::size_t i = 0; i < permissions.count; ++i)
        print(permissions.others[i].access, permissions.others[i].domain);
    return {out.data(), used};
}

} // namespace bulkhead::xenstore
