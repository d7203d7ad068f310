// See legacy.hpp.
#include "image/legacy.hpp"

#include "image/features.hpp"

#include <algorithm>

namespace bulkhead::image {
namespace {

std::optional<unsigned> digit(char c) {
    if (c >= '0' && c <= '9')
        return static_cast<unsigned>(c - '0');
    if (c >= 'a' && c <= 'f')
        return static_cast<unsigned>(c - 'a' + 10);
    if (c >= 'A' && c <= 'F')
        return static_cast<unsigned>(c - 'A' + 10);
    return std::nullopt;
}

// Decimal, or hexadecimal after 0x.
std::optional<std::uint64_t> number(std::string_view value) {
    const bool hexadecimal = value.starts_with("0x") || value.starts_with("0X");
    if (hexadecimal)
        value.remove_prefix(2);
    const unsigned base = hexadecimal ? 16 : 10;
    if (value.empty())
        return std::nullopt;
    std::uint64_t result = 0;
    for (const char c : value) {
        const auto next = digit(c);
        if (!next || *next >= base || __builtin_mul_overflow(result, base, &result) ||
            __builtin_add_overflow(result, *next, &result))
            return std::nullopt;
    }
    return result;
}

std::optional<std::uint64_t>* numeric_field(Notes& notes, std::string_view name) {
    if (name == "VIRT_ENTRY")
        return &notes.entry;
    if (name == "HYPERCALL_PAGE")
        return &notes.hypercall_page;
    if (name == "VIRT_BASE")
        return &notes.virt_base;
    if (name == "ELF_PADDR_OFFSET")
        return &notes.paddr_offset;
    return nullptr;
}

std::string_view* text_field(Notes& notes, std::string_view name) {
    if (name == "GUEST_OS")
        return &notes.guest_os;
    if (name == "GUEST_VER")
        return &notes.guest_version;
    if (name == "XEN_VER")
        return &notes.xen_version;
    if (name == "LOADER")
        return &notes.loader;
    if (name == "PAE")
        return &notes.pae;
    return nullptr;
}

std::expected<void, Error> apply(Notes& notes, std::string_view name, std::string_view value) {
    if (auto* const field = text_field(notes, name)) {
        *field = value;
        return {};
    }
    if (auto* const field = numeric_field(notes, name)) {
        *field = number(value);
        return *field ? std::expected<void, Error>{} : std::unexpected(Error::bad_note);
    }
    if (name != "FEATURES")
        return {};
    const auto features = parse_features(value);
    if (!features)
        return std::unexpected(features.error());
    notes.required_features |= features->required;
    notes.supported_features |= features->supported;
    return {};
}

std::expected<Notes, Error> parse(std::string_view pairs) {
    Notes notes;
    notes.found = notes.legacy = true;
    while (!pairs.empty()) {
        const auto pair = before(pairs, ',');
        pairs.remove_prefix(pair.size() < pairs.size() ? pair.size() + 1 : pair.size());
        const auto name = before(pair, '=');
        auto value = pair;
        value.remove_prefix(std::min(name.size() + 1, pair.size()));
        if (const auto done = apply(notes, name, value); !done)
            return std::unexpected(done.error());
    }
    return notes;
}

} // namespace

std::expected<Notes, Error> read_legacy_notes(const Elf& elf) {
    for (unsigned i = 0; i < elf.section_headers(); ++i) {
        const auto header = elf.section_header(i);
        if (elf.name(header) != "__xen_guest")
            continue;
        const auto bytes = elf.contents(header);
        if (!bytes)
            return std::unexpected(Error::truncated);
        return parse(text_before_zero(*bytes));
    }
    return Notes{};
}

} // namespace bulkhead::image
