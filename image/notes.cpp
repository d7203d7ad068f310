// See notes.hpp. Note sizes come from the file: each step moves forward by at least one note header, so a
// walk ends.
#include "image/notes.hpp"

#include "image/features.hpp"
#include "image/legacy.hpp"

#include <xen/elfnote.h>

namespace bulkhead::image {
namespace {

struct Note {
    std::uint32_t type;
    std::string_view owner;
    Bytes value;
};

constexpr std::uint64_t padded(std::uint64_t bytes) { return (bytes + 3) & ~std::uint64_t{3}; }

// Takes the first note off `rest`; nothing at the end or where the form is broken.
std::optional<Note> take_note(Bytes& rest) {
    const auto header = read<Elf64_Nhdr>(rest, 0);
    if (!header)
        return std::nullopt;
    const auto owner = part(rest, sizeof *header, header->n_namesz);
    const auto value_at = sizeof *header + padded(header->n_namesz);
    const auto value = part(rest, value_at, header->n_descsz);
    if (!owner || !value)
        return std::nullopt;
    const auto next = value_at + padded(header->n_descsz);
    rest = next < rest.size() ? rest.subspan(next) : Bytes{};
    return Note{.type = header->n_type, .owner = text_before_zero(*owner), .value = *value};
}

std::optional<std::uint64_t> number(Bytes value) {
    if (value.size() == 8)
        return read<std::uint64_t>(value, 0);
    if (value.size() == 4)
        return read<std::uint32_t>(value, 0);
    return std::nullopt;
}

// Where a numeric note goes, or nothing if the type is not one of those.
std::optional<std::uint64_t>* numeric_field(Notes& notes, std::uint32_t type) {
    switch (type) {
    case XEN_ELFNOTE_ENTRY:
        return &notes.entry;
    case XEN_ELFNOTE_HYPERCALL_PAGE:
        return &notes.hypercall_page;
    case XEN_ELFNOTE_VIRT_BASE:
        return &notes.virt_base;
    case XEN_ELFNOTE_PADDR_OFFSET:
        return &notes.paddr_offset;
    case XEN_ELFNOTE_INIT_P2M:
        return &notes.init_p2m;
    default:
        return nullptr;
    }
}

std::string_view* text_field(Notes& notes, std::uint32_t type) {
    switch (type) {
    case XEN_ELFNOTE_GUEST_OS:
        return &notes.guest_os;
    case XEN_ELFNOTE_GUEST_VERSION:
        return &notes.guest_version;
    case XEN_ELFNOTE_XEN_VERSION:
        return &notes.xen_version;
    case XEN_ELFNOTE_LOADER:
        return &notes.loader;
    case XEN_ELFNOTE_PAE_MODE:
        return &notes.pae;
    default:
        return nullptr;
    }
}

std::expected<void, Error> apply_feature_list(Notes& notes, Bytes value) {
    const auto features = parse_features(text_before_zero(value));
    if (!features)
        return std::unexpected(features.error());
    notes.required_features |= features->required;
    notes.supported_features |= features->supported;
    return {};
}

std::expected<void, Error> apply(Notes& notes, const Note& note) {
    if (auto* const field = text_field(notes, note.type))
        return *field = text_before_zero(note.value), std::expected<void, Error>{};
    if (note.type == XEN_ELFNOTE_FEATURES)
        return apply_feature_list(notes, note.value);
    auto* const field = numeric_field(notes, note.type);
    if (!field && note.type != XEN_ELFNOTE_MOD_START_PFN && note.type != XEN_ELFNOTE_SUPPORTED_FEATURES &&
        note.type != XEN_ELFNOTE_PHYS32_ENTRY)
        return {}; // nothing that a PV loader acts on
    const auto value = number(note.value);
    if (!value)
        return std::unexpected(Error::bad_note);
    if (field)
        *field = value;
    else if (note.type == XEN_ELFNOTE_MOD_START_PFN)
        notes.mod_start_pfn = *value != 0;
    else if (note.type == XEN_ELFNOTE_SUPPORTED_FEATURES)
        notes.supported_features |= *value;
    else
        notes.phys32_entry = true;
    return {};
}

std::expected<void, Error> walk(Notes& notes, Bytes bytes) {
    while (const auto note = take_note(bytes)) {
        if (note->owner != "Xen")
            continue;
        if (const auto done = apply(notes, *note); !done)
            return done;
        notes.found = true;
    }
    return {};
}

std::expected<void, Error> walk_segments(Notes& notes, const Elf& elf) {
    for (unsigned i = 0; i < elf.program_headers(); ++i) {
        const auto header = elf.program_header(i);
        if (header.p_type != PT_NOTE)
            continue;
        const auto bytes = elf.contents(header);
        if (!bytes)
            return std::unexpected(Error::truncated);
        if (const auto done = walk(notes, *bytes); !done)
            return done;
    }
    return {};
}

std::expected<void, Error> walk_sections(Notes& notes, const Elf& elf) {
    for (unsigned i = 0; i < elf.section_headers(); ++i) {
        const auto header = elf.section_header(i);
        if (header.sh_type != SHT_NOTE)
            continue;
        const auto bytes = elf.contents(header);
        if (!bytes)
            return std::unexpected(Error::truncated);
        if (const auto done = walk(notes, *bytes); !done)
            return done;
    }
    return {};
}

} // namespace

std::expected<Notes, Error> read_notes(const Elf& elf) {
    Notes notes;
    if (const auto done = walk_segments(notes, elf); !done)
        return std::unexpected(done.error());
    if (notes.found)
        return notes;
    if (const auto done = walk_sections(notes, elf); !done)
        return std::unexpected(done.error());
    if (notes.found)
        return notes;
    return read_legacy_notes(elf);
}

} // namespace bulkhead::image
