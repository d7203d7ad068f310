// See path.hpp.
#include "guest/dom0/xenstore/path.hpp"

#include <cstring>

namespace bulkhead::xenstore {
namespace {

bool is_name_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '@';
}

// Names of allowed characters, each separated by one slash, none at the end.
bool is_well_formed(std::string_view names) {
    bool after_slash = true;
    for (const char c : names) {
        if (c == '/' ? after_slash : !is_name_character(c))
            return false;
        after_slash = c == '/';
    }
    return !after_slash;
}

} // namespace

void Path::append(std::string_view text) {
    std::memcpy(text_.data() + length_, text.data(), text.size());
    length_ += text.size();
}

Path Path::home_of(DomainId domain) {
    Path path;
    path.append(domains);
    path.append(Decimal{domain.value()}.text());
    return path;
}

Result<Path> Path::parse(std::string_view text, DomainId reader) {
    const bool absolute = text.starts_with('/');
    if (text.empty() || text.size() >= (absolute ? max_absolute_path : max_relative_path))
        return fail(Error::invalid);
    const auto names = absolute ? std::string_view{text.data() + 1, text.size() - 1} : text;
    if (!names.empty() && !is_well_formed(names))
        return fail(Error::invalid);
    Path path = absolute ? Path{} : home_of(reader);
    path.append("/");
    path.append(names);
    return path;
}

Path Path::operator/(std::string_view name) const {
    Path path = *this;
    if (!is_root())
        path.append("/");
    path.append(name);
    return path;
}

Home Path::home() const {
    auto rest = text();
    if (take_name(rest) != "local" || take_name(rest) != "domain")
        return outside_homes;
    return parse_decimal(take_name(rest), max_domains - 1).value_or(outside_homes);
}

std::string_view take_name(std::string_view& rest) {
    if (rest.starts_with('/'))
        rest.remove_prefix(1);
    std::size_t length = 0;
    while (length < rest.size() && rest[length] != '/')
        ++length;
    const auto name = rest.substr(0, length);
    rest.remove_prefix(length);
    return name;
}

bool is_at_or_below(std::string_view path, std::string_view above) {
    if (above == "/")
        return true;
    return path.starts_with(above) && (path.size() == above.size() || path[above.size()] == '/');
}

Result<std::uint32_t> parse_decimal(std::string_view text, std::uint32_t most) {
    if (text.empty() || text.size() > 10)
        return fail(Error::invalid);
    std::uint64_t value = 0;
    for (const char c : text) {
        if (c < '0' || c > '9')
            return fail(Error::invalid);
        value = value * 10 + static_cast<unsigned>(c - '0');
    }
    if (value > most)
        return fail(Error::invalid);
    return static_cast<std::uint32_t>(value);
}

Decimal::Decimal(std::uint64_t value) {
    first_ = digits_.size();
    do {
        digits_[--first_] = static_cast<char>('0' + value % 10);
        value /= 10;
    } while (value != 0);
}

} // namespace bulkhead::xenstore
