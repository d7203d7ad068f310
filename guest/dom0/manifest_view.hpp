// The boot manifest as domain 0 sees it: checked once, then plain to read. Everything it hands out lies
// inside of the manifest. Pure code, also tested on the host.
#pragma once

#include "abi/manifest.hpp"

#include <array>
#include <expected>
#include <span>
#include <string_view>

namespace bulkhead::dom0 {

enum class ManifestError : std::uint8_t {
    too_short,
    bad_magic,
    other_version,
    bad_size,
    bad_table,
    bad_name,
    same_name,
    bad_blob,
    bad_memory,
    bad_vcpus,
    bad_choice,
    bad_time,
    bad_start,
    unordered,
    bad_action,
    bad_target,
    bad_disk,
    bad_interface,
    bad_placement,
};

inline constexpr std::array<std::string_view, 19> manifest_messages{
    "it is shorter than its header",
    "it does not begin with the manifest's magic number",
    "it is of another version; rebuild everything with `./bulkhead build`",
    "its header or its size is not what it says",
    "a table lies outside of it or is not aligned",
    "a guest's name is empty, too long or not printable",
    "two guests have the same name",
    "a guest's kernel, initrd or command line lies outside of it",
    "a guest has no memory",
    "a guest has no vCPU or too many",
    "a guest's time mode or crash rule is unknown",
    "a guest's clock is dilated by an impossible factor",
    "a guest starts before the others are built",
    "the timeline is not in order of time",
    "the timeline has an unknown action",
    "the timeline names a guest that does not exist",
    "a disk is empty, or of a guest that does not exist or does not come next",
    "an interface has no address, or is of a guest that does not exist or does not come next",
    "a placement is of a vCPU that does not exist",
};
constexpr std::string_view message(ManifestError error) {
    return manifest_messages[static_cast<std::size_t>(error)];
}

struct ManifestFault {
    ManifestError error;
    std::size_t index = 0; // of the guest, or of the row in the table that is wrong
};

class Manifest {
  public:
    // `bytes` is 8-byte aligned and stays in place.
    [[nodiscard]] static std::expected<Manifest, ManifestFault> open(std::span<const std::byte> bytes);

    [[nodiscard]] const manifest::Header& header() const;
    [[nodiscard]] std::span<const manifest::Guest> guests() const;
    [[nodiscard]] std::span<const manifest::TimelineEntry> timeline() const;
    [[nodiscard]] std::span<const manifest::Disk> disks() const;           // those of a guest stand together
    [[nodiscard]] std::span<const manifest::Interface> interfaces() const; // likewise
    [[nodiscard]] std::span<const manifest::Placement> placements() const;
    [[nodiscard]] std::span<const std::byte> blob(const manifest::Span& span) const {
        return bytes_.subspan(span.offset, span.bytes);
    }
    [[nodiscard]] std::string_view text(const manifest::Span& span) const;

  private:
    explicit Manifest(std::span<const std::byte> bytes) : bytes_{bytes} {}

    std::span<const std::byte> bytes_;
};

// Whether the entries are in order of time, each with a known action and a target among so many guests.
[[nodiscard]] std::expected<void, ManifestFault>
check_timeline(std::span<const manifest::TimelineEntry> timeline, std::size_t guests);

// A guest's name without its terminating zero.
[[nodiscard]] std::string_view name_of(const manifest::Guest& guest);

} // namespace bulkhead::dom0
