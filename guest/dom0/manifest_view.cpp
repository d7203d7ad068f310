// See manifest_view.hpp.
#include "guest/dom0/manifest_view.hpp"

namespace bulkhead::dom0 {
namespace {

using Fault = std::unexpected<ManifestFault>;
constexpr Fault fail(ManifestError error, std::size_t index = 0) {
    return Fault{ManifestFault{error, index}};
}
using Checked = std::expected<void, ManifestFault>;

constexpr std::uint32_t max_vcpus = 32; // XEN_LEGACY_MAX_VCPUS
constexpr std::uint32_t max_dilation = 1'000'000;

bool inside(std::span<const std::byte> bytes, std::uint64_t offset, std::uint64_t size) {
    return offset <= bytes.size() && size <= bytes.size() - offset;
}

bool is_table(std::span<const std::byte> bytes, std::uint64_t offset, std::uint64_t count,
              std::size_t element) {
    return offset % alignof(std::uint64_t) == 0 && inside(bytes, offset, count * element);
}

bool is_name(const manifest::Guest& guest) {
    const auto name = name_of(guest);
    if (name.empty() || name.size() == manifest::name_bytes)
        return false;
    for (const char c : name)
        if (c < '!' || c > '~' || c == '\'')
            return false;
    return true;
}

Checked check_header(std::span<const std::byte> bytes, const manifest::Header& header) {
    if (header.magic != manifest::magic)
        return fail(ManifestError::bad_magic);
    if (header.version != manifest::version)
        return fail(ManifestError::other_version);
    if (header.header_bytes != sizeof header || header.total_bytes != bytes.size())
        return fail(ManifestError::bad_size);
    if (!is_table(bytes, header.guests, header.guest_count, sizeof(manifest::Guest)) ||
        !is_table(bytes, header.timeline, header.timeline_count, sizeof(manifest::TimelineEntry)) ||
        !is_table(bytes, header.disks, header.disk_count, sizeof(manifest::Disk)) ||
        !is_table(bytes, header.interfaces, header.interface_count, sizeof(manifest::Interface)) ||
        !is_table(bytes, header.placements, header.placement_count, sizeof(manifest::Placement)))
        return fail(ManifestError::bad_table);
    return {};
}

Checked check_guest(std::span<const std::byte> bytes, std::span<const manifest::Guest> guests,
                    std::size_t index) {
    const auto& guest = guests[index];
    if (!is_name(guest))
        return fail(ManifestError::bad_name, index);
    for (std::size_t other = 0; other < index; ++other)
        if (name_of(guests[other]) == name_of(guest))
            return fail(ManifestError::same_name, index);
    for (const auto& span : {guest.kernel, guest.initrd, guest.cmdline})
        if (!inside(bytes, span.offset, span.bytes))
            return fail(ManifestError::bad_blob, index);
    if (guest.memory_bytes < page_bytes || guest.max_memory_bytes < guest.memory_bytes)
        return fail(ManifestError::bad_memory, index);
    if (guest.vcpus == 0 || guest.vcpus > max_vcpus)
        return fail(ManifestError::bad_vcpus, index);
    if (guest.time_mode > manifest::TimeMode::dilated || guest.on_crash > manifest::OnCrash::restart)
        return fail(ManifestError::bad_choice, index);
    if (guest.time_mode == manifest::TimeMode::dilated &&
        (guest.dilation == 0 || guest.dilation > max_dilation))
        return fail(ManifestError::bad_time, index);
    if (guest.start < 0)
        return fail(ManifestError::bad_start, index);
    return {};
}

// In the order of the guests.
Checked check_disks(std::span<const manifest::Disk> disks, std::size_t guests) {
    std::uint32_t before = 0;
    for (std::size_t i = 0; i < disks.size(); ++i) {
        if (disks[i].guest < before || disks[i].guest >= guests || disks[i].bytes == 0)
            return fail(ManifestError::bad_disk, i);
        before = disks[i].guest;
    }
    return {};
}

Checked check_interfaces(std::span<const manifest::Interface> interfaces, std::size_t guests) {
    std::uint32_t before = 0;
    for (std::size_t i = 0; i < interfaces.size(); ++i) {
        const auto& each = interfaces[i];
        if (each.guest < before || each.guest >= guests || each.mac == 0 || each.mac >> 48 != 0)
            return fail(ManifestError::bad_interface, i);
        before = each.guest;
    }
    return {};
}

Checked check_placements(std::span<const manifest::Placement> placements,
                         std::span<const manifest::Guest> guests) {
    for (std::size_t i = 0; i < placements.size(); ++i)
        if (placements[i].guest >= guests.size() || placements[i].vcpu >= guests[placements[i].guest].vcpus)
            return fail(ManifestError::bad_placement, i);
    return {};
}

bool needs_guest(manifest::Action action) {
    return action != manifest::Action::audit && action != manifest::Action::end_run &&
           action != manifest::Action::swap && action != manifest::Action::stop;
}

} // namespace

std::expected<void, ManifestFault> check_timeline(std::span<const manifest::TimelineEntry> timeline,
                                                  std::size_t guests) {
    std::int64_t before = 0;
    for (std::size_t i = 0; i < timeline.size(); ++i) {
        const auto& entry = timeline[i];
        if (entry.at < before)
            return fail(ManifestError::unordered, i);
        before = entry.at;
        if (entry.action < manifest::Action::unpause || entry.action > manifest::Action::set_parameters)
            return fail(ManifestError::bad_action, i);
        if (needs_guest(entry.action) && entry.target >= guests)
            return fail(ManifestError::bad_target, i);
    }
    return {};
}

std::expected<Manifest, ManifestFault> Manifest::open(std::span<const std::byte> bytes) {
    if (bytes.size() < sizeof(manifest::Header))
        return fail(ManifestError::too_short);
    const Manifest manifest{bytes};
    if (const auto fine = check_header(bytes, manifest.header()); !fine)
        return std::unexpected{fine.error()};
    const auto guests = manifest.guests();
    for (std::size_t i = 0; i < guests.size(); ++i)
        if (const auto fine = check_guest(bytes, guests, i); !fine)
            return std::unexpected{fine.error()};
    if (const auto fine = check_timeline(manifest.timeline(), guests.size()); !fine)
        return std::unexpected{fine.error()};
    if (const auto fine = check_disks(manifest.disks(), guests.size()); !fine)
        return std::unexpected{fine.error()};
    if (const auto fine = check_interfaces(manifest.interfaces(), guests.size()); !fine)
        return std::unexpected{fine.error()};
    if (const auto fine = check_placements(manifest.placements(), guests); !fine)
        return std::unexpected{fine.error()};
    return manifest;
}

const manifest::Header& Manifest::header() const {
    return *reinterpret_cast<const manifest::Header*>(bytes_.data());
}

std::span<const manifest::Guest> Manifest::guests() const {
    return {reinterpret_cast<const manifest::Guest*>(bytes_.data() + header().guests), header().guest_count};
}

std::span<const manifest::TimelineEntry> Manifest::timeline() const {
    return {reinterpret_cast<const manifest::TimelineEntry*>(bytes_.data() + header().timeline),
            header().timeline_count};
}

std::span<const manifest::Disk> Manifest::disks() const {
    return {reinterpret_cast<const manifest::Disk*>(bytes_.data() + header().disks), header().disk_count};
}

std::span<const manifest::Interface> Manifest::interfaces() const {
    return {reinterpret_cast<const manifest::Interface*>(bytes_.data() + header().interfaces),
            header().interface_count};
}

std::span<const manifest::Placement> Manifest::placements() const {
    return {reinterpret_cast<const manifest::Placement*>(bytes_.data() + header().placements),
            header().placement_count};
}

std::string_view Manifest::text(const manifest::Span& span) const {
    const auto bytes = blob(span);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string_view name_of(const manifest::Guest& guest) {
    std::size_t length = 0;
    while (length < manifest::name_bytes && guest.name[length] != '\0')
        ++length;
    return {guest.name, length};
}

} // namespace bulkhead::dom0
